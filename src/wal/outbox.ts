/**
 * What the main side hands to the log's work: frames and commands, in order, through the ring, and when the
 * host is woken for them. It deliberately knows neither LSNs nor answers beyond carrying them.
 *
 * 1. Whatever does not fit the ring queues here; nothing overtakes what queues.
 * 2. What is put is handed over at the end of the turn: the answers of one batch let many callers go on, and
 *    what they append belongs into one batch again. A turn that appends a lot, or for longer than the log's
 *    thread takes to sync, hands over on the way. A few callers alone do not wait for the turn's end.
 * 3. The image of an external frame is sent before its command is put, so that the log's thread never has to
 *    wait for it.
 */
import type { Lsn } from "../ids.ts";
import { FEW_FRAMES, KIB } from "../limits.ts";
import { FrameType, frameBytes, imageOf, putFrame } from "./frame.ts";
import type { LogHost } from "./host.ts";
import { type Ring, Tag } from "./ring.ts";

/** Bytes after which the log's thread may begin while this turn still appends. */
const HAND_OVER_BYTES = 256 * KIB;

/**
 * Frames below which a turn does not hand over on the way: so many, and such a part of all that are in flight. A sync is
 * to be worth its two wake-ups, and those who wait behind a thousand others lose nothing by larger batches.
 */
const MIN_HAND_OVER_FRAMES = 16;
const HAND_OVER_PART = 8;

/** What waits for room in the ring. */
type Queued =
  | { readonly kind: "frame"; readonly lsn: Lsn; readonly payload: Uint8Array }
  | { readonly kind: "external"; readonly image: Uint8Array<ArrayBuffer> }
  | { readonly kind: "command"; readonly tag: number };

/** What is appended and not answered yet. */
export interface Flight {
  readonly isBusy: boolean;
  /** Frames or rolls. */
  readonly hasWork: boolean;
  readonly frames: number;
  /** Frames of the batch answered last. */
  readonly lastFrames: number;
}

export class Outbox {
  readonly #ring: Ring;
  readonly #host: () => LogHost;
  readonly #flight: Flight;
  #queue: Queued[] = [];
  #handsOver = false;
  /** When what is to be handed over next began. */
  #begun = 0;
  /** Frames put since. */
  #unpublished = 0;

  constructor(ring: Ring, host: () => LogHost, flight: Flight) {
    this.#ring = ring;
    this.#host = host;
    this.#flight = flight;
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
    this.#unpublished += 1;
    if (this.#handsOver) {
      if (this.#isLongTurn()) this.#handOver();
      return;
    }
    this.#handsOver = true;
    this.#begun = performance.now();
    const handOver = (): void => {
      this.#handsOver = false;
      this.#handOver();
    };
    // Behind everybody who was let go on together with this caller, and before the rest of the turn.
    if (this.#hasFew) queueMicrotask(handOver);
    else this.#host().atEndOfTurn(handOver);
  }

  #isLongTurn(): boolean {
    if (this.#ring.unpublishedBytes >= HAND_OVER_BYTES) return true;
    const { patienceMs } = this.#host();
    if (patienceMs === undefined) return false;
    if (this.#unpublished < Math.max(MIN_HAND_OVER_FRAMES, this.#flight.frames / HAND_OVER_PART))
      return false;
    return performance.now() - this.#begun > patienceMs;
  }

  get #hasFew(): boolean {
    return this.#flight.frames <= FEW_FRAMES && this.#flight.lastFrames <= FEW_FRAMES;
  }

  #handOver(): void {
    this.#ring.publish();
    this.#begun = performance.now();
    this.#unpublished = 0;
    const host = this.#host();
    if (this.#flight.isBusy) host.keepAlive(true);
    if (this.#flight.hasWork) host.beginSupply();
    host.wake();
    if (this.#hasFew) host.expectAnswer();
  }
}
