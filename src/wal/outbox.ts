/**
 * What the main side hands to the log's work: frames and commands, in order, through the ring, and when the
 * host is woken for them. It deliberately knows neither LSNs nor answers beyond carrying them.
 *
 * 1. Whatever does not fit the ring queues here; nothing overtakes what queues.
 * 2. What is put is handed over at the end of the turn: the answers of one batch let many callers go on, and
 *    what they append belongs into one batch again. A turn that appends a lot hands over on the way.
 * 3. The image of an external frame is sent before its command is put, so that the log's thread never has to
 *    wait for it.
 */
import type { Lsn } from "../ids.ts";
import { KIB } from "../limits.ts";
import { FrameType, frameBytes, imageOf, putFrame } from "./frame.ts";
import type { LogHost } from "./host.ts";
import { type Ring, Tag } from "./ring.ts";

/** Bytes after which the log's thread may begin while this turn still appends. */
const HAND_OVER_BYTES = 256 * KIB;

/** What waits for room in the ring. */
type Queued =
  | { readonly kind: "frame"; readonly lsn: Lsn; readonly payload: Uint8Array }
  | { readonly kind: "external"; readonly image: Uint8Array<ArrayBuffer> }
  | { readonly kind: "command"; readonly tag: number };

export class Outbox {
  readonly #ring: Ring;
  readonly #host: () => LogHost;
  readonly #isBusy: () => boolean;
  #queue: Queued[] = [];
  #handsOver = false;

  constructor(ring: Ring, host: () => LogHost, isBusy: () => boolean) {
    this.#ring = ring;
    this.#host = host;
    this.#isBusy = isBusy;
  }

  /** Puts a frame behind everything else; the payload is copied before this returns. */
  putFrame(lsn: Lsn, payload: Uint8Array): void {
    const bytes = frameBytes(payload.length);
    if (bytes > this.#ring.largestFrame) {
      const image = new Uint8Array(bytes);
      putFrame(imageOf(image), 0, FrameType.data, lsn, payload);
      this.#enqueue({ kind: "external", image });
    } else if (this.#queue.length > 0 || !this.#ring.putFrame(lsn, payload)) {
      this.#queue.push({ kind: "frame", lsn, payload: Uint8Array.from(payload) });
    }
    this.#handOverSoon();
  }

  /** Puts a command behind everything else. */
  putCommand(tag: number): void {
    this.#enqueue({ kind: "command", tag });
    this.#handOverSoon();
  }

  /** Moves what waits into the ring, as far as there is room. */
  pump(): void {
    let moved = 0;
    for (const queued of this.#queue) {
      if (!this.#put(queued)) break;
      moved += 1;
    }
    if (moved === 0) return;
    this.#queue.splice(0, moved);
    this.#handOverSoon();
  }

  /** Forgets what waits: the log is dead. */
  clear(): void {
    this.#queue = [];
  }

  #enqueue(queued: Queued): void {
    this.#queue.push(queued);
    this.pump();
  }

  #put(queued: Queued): boolean {
    switch (queued.kind) {
      case "frame":
        return this.#ring.putFrame(queued.lsn, queued.payload);
      case "command":
        return this.#ring.putCommand(queued.tag, 0);
      case "external": {
        if (!this.#ring.hasRoomForCommand()) return false;
        // Sending takes the bytes away.
        const bytes = queued.image.length;
        this.#host().sendExternal(queued.image);
        return this.#ring.putCommand(Tag.external, bytes);
      }
    }
  }

  #handOverSoon(): void {
    if (this.#ring.unpublishedBytes >= HAND_OVER_BYTES) return this.#handOver();
    if (this.#handsOver) return;
    this.#handsOver = true;
    this.#host().atEndOfTurn(() => {
      this.#handsOver = false;
      this.#handOver();
    });
  }

  #handOver(): void {
    this.#ring.publish();
    const host = this.#host();
    if (this.#isBusy()) host.keepAlive(true);
    host.wake();
  }
}
