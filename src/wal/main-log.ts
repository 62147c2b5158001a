/**
 * The main side of an open log: numbers frames, puts them into the outbox, and turns answers into `durable`
 * calls in LSN order. It deliberately writes nothing itself; a host (threads, or inline) does.
 *
 * 1. LSNs are dense and assigned in the order of the outbox (`outbox.ts`), which is that of the ring.
 * 2. `durable` is called only for answered batches, so never before the sync policy's promise holds.
 * 3. `failed` is called at most once, and nothing is `durable` afterwards.
 */
import { defined } from "../assert.ts";
import { errorFromData, type StoreError, storeError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import type { LogStart } from "./chain.ts";
import type { Answer } from "./drain.ts";
import { type LogPlace, segmentSizes } from "./files.ts";
import { frameBytes, MAX_PAYLOAD_BYTES } from "./frame.ts";
import type { LogHost } from "./host.ts";
import { type Flight, Outbox } from "./outbox.ts";
import { LogReader } from "./reader.ts";
import { type Ring, Tag } from "./ring.ts";
import { FIRST_DATA_AT, SEAL_RESERVE_BYTES } from "./segment.ts";
import { SizeQueue } from "./size-queue.ts";
import type { LogListener, LogStats } from "./types.ts";
import { askAgain, Closing, Word, type Words } from "./words.ts";

export interface MainLogParts {
  readonly place: LogPlace;
  readonly segmentBytes: number;
  readonly listener: LogListener;
  readonly ring: Ring;
  readonly words: Words;
  readonly lastLsn: Lsn;
  readonly activeSegment: number;
  /** Number of the oldest segment file there is. */
  readonly oldestSegment: number;
  /** Bytes of frames that the active segment still takes. */
  readonly room: number;
}

interface Roll {
  readonly resolve: (start: LogStart) => void;
  readonly reject: (error: StoreError) => void;
}

type State =
  | { readonly kind: "open" }
  | { readonly kind: "closing" }
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly error: StoreError };

export class MainLog implements Flight {
  readonly #parts: MainLogParts;
  readonly #reader: LogReader;
  readonly #outbox: Outbox;
  #host: LogHost | undefined;
  #state: State = { kind: "open" };
  #lastLsn: Lsn;
  #durableLsn: Lsn;
  #queuedBytes = 0;
  readonly #sizes = new SizeQueue();
  #rolls: Roll[] = [];
  #activeSegment: number;
  #oldestSegment: number;
  #room: number;
  #closed: Promise<void> | undefined;
  #onEnded: () => void = () => {};
  #frames = 0;
  #bytes = 0;
  #fileSizes: readonly number[] = [];
  #batches = 0;
  #lastFrames = 0;

  constructor(parts: MainLogParts) {
    this.#parts = parts;
    this.#reader = new LogReader(parts.place);
    this.#outbox = new Outbox(
      parts.ring,
      () => defined(this.#host, "a log has a host before it is used"),
      this,
    );
    this.#lastLsn = parts.lastLsn;
    this.#durableLsn = parts.lastLsn;
    this.#activeSegment = parts.activeSegment;
    this.#oldestSegment = parts.oldestSegment;
    this.#room = parts.room;
  }

  get lastLsn(): Lsn {
    return this.#lastLsn;
  }
  get durableLsn(): Lsn {
    return this.#durableLsn;
  }
  /** Number of the segment that is written, as last answered. */
  get activeSegment(): number {
    return this.#activeSegment;
  }
  /** Bytes of frames appended and not yet durable. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The host reports here, so it is made after this. */
  start(host: LogHost): void {
    this.#host = host;
  }

  /** Queues a record behind all others; the payload is copied before this returns. */
  append(payload: Uint8Array): Lsn {
    this.#checkOpen();
    if (payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES) {
      throw storeError("INTERNAL", {}, `a record of ${payload.length} bytes cannot be a frame`);
    }
    const bytes = frameBytes(payload.length);
    const lsn = this.#lastLsn + 1;
    this.#lastLsn = lsn;
    this.#queuedBytes += bytes;
    this.#sizes.push(bytes);
    this.#outbox.putFrame(lsn, payload);
    return lsn;
  }

  /** False when the disk is full and segments there are cannot hold what is queued and `bytes` more. */
  hasRoom(bytes: number): boolean {
    const { words, segmentBytes } = this.#parts;
    if (Atomics.load(words, Word.supplyDown) === 0) return true;
    this.#host?.wakeSupply();
    const usual = segmentBytes - FIRST_DATA_AT - SEAL_RESERVE_BYTES;
    let room = this.#room;
    let spares = Atomics.load(words, Word.spares);
    for (const size of [...this.#sizes, frameBytes(bytes)]) {
      if (size > room) {
        if (size > usual || spares === 0) return false;
        spares -= 1;
        room = usual;
      }
      room -= size;
    }
    return true;
  }

  /** Resolves when everything appended before is durable and sealed, and the next segment's LINK is. */
  roll(): Promise<LogStart> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      const { words } = this.#parts;
      if (Atomics.load(words, Word.supplyDown) === 1 && Atomics.load(words, Word.spares) === 0) {
        askAgain(words);
        this.#host?.wakeSupply();
      }
      this.#rolls.push({ resolve, reject });
      this.#outbox.putCommand(Tag.roll);
    });
  }

  /** Payload of a durable DATA frame, verified. */
  read(segment: number, offset: number): Uint8Array {
    return this.#reader.read(segment, offset);
  }

  /** Segments numbered below are needed no more; with `scrub` their bytes leave the disk. */
  retire(below: number, options: { readonly scrub: boolean }): void {
    this.#reader.forget(below);
    // At most openings there is nothing, and so no need of a supply.
    if (this.#state.kind !== "open" || (below <= this.#oldestSegment && !options.scrub)) return;
    this.#oldestSegment = Math.max(this.#oldestSegment, below);
    this.#host?.retire({ below, scrub: options.scrub });
  }

  stats(): LogStats {
    const { place, words } = this.#parts;
    this.#fileSizes = segmentSizes(place, this.#fileSizes);
    return {
      frames: this.#frames,
      bytes: this.#bytes,
      batches: this.#batches,
      syncs: Atomics.load(words, Word.syncs),
      segments: this.#fileSizes.length,
      fileBytes: this.#fileSizes.reduce((sum, size) => sum + size, 0),
      activeSegment: this.#activeSegment,
    };
  }

  /** Drains, seals, ends the threads, closes the files. After a failure it only ends and closes. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    if (this.#state.kind === "open") {
      const ended = new Promise<void>((resolve) => {
        this.#onEnded = resolve;
      });
      this.#state = { kind: "closing" };
      Atomics.store(this.#parts.words, Word.closing, Closing.draining);
      this.#outbox.putCommand(Tag.close);
      await ended;
    }
    await this.#host?.end();
    this.#reader.close();
    if (this.#state.kind === "closing") this.#state = { kind: "closed" };
  }

  /** What the host has to say, in log order. */
  onAnswer(answer: Answer): void {
    if (this.#state.kind === "failed" || this.#state.kind === "closed") return;
    switch (answer.kind) {
      case "batch":
        this.#room = answer.room;
        this.#activeSegment = answer.segment;
        this.#onBatch(answer.frames, answer.segment, answer.offset);
        break;
      case "rolled":
        this.#room = answer.room;
        this.#activeSegment = answer.start.segment;
        this.#rolls.shift()?.resolve(answer.start);
        break;
      case "notRolled":
        this.#rolls.shift()?.reject(this.#fullError());
        break;
      case "slowSync":
        this.#parts.listener.slowSync(answer.durationMs);
        return;
      case "closed":
        this.#onEnded();
        return;
      case "failed":
        this.onFailure(errorFromData(answer.error));
        return;
    }
    this.#outbox.pump();
    if (!this.isBusy) this.#host?.keepAlive(false);
  }

  /** The log is dead: everything in flight stays unanswered. */
  onFailure(error: StoreError): void {
    if (this.#state.kind === "failed" || this.#state.kind === "closed") return;
    this.#state = { kind: "failed", error };
    this.#outbox.clear();
    for (const { reject } of this.#rolls.splice(0)) reject(this.#poisonedError(error));
    this.#host?.keepAlive(false);
    this.#parts.listener.failed(error);
    this.#onEnded();
  }

  #onBatch(frames: number, segment: number, offset: number): void {
    const { listener } = this.#parts;
    this.#batches += 1;
    this.#lastFrames = frames;
    this.#frames += frames;
    let at = offset;
    for (let frame = 0; frame < frames; frame += 1) {
      const size = this.#sizes.shift();
      this.#durableLsn += 1;
      this.#queuedBytes -= size;
      listener.durable(this.#durableLsn, segment, at);
      at += size;
    }
    this.#bytes += at - offset;
    listener.batchEnd(this.#durableLsn);
  }

  get frames(): number {
    return this.#sizes.length;
  }
  get lastFrames(): number {
    return this.#lastFrames;
  }
  get isBusy(): boolean {
    if (this.#state.kind === "failed") return false;
    return this.hasWork || this.#state.kind === "closing";
  }

  get hasWork(): boolean {
    return this.#sizes.length > 0 || this.#rolls.length > 0;
  }

  #checkOpen(): void {
    if (this.#state.kind === "open") return;
    if (this.#state.kind === "failed") throw this.#poisonedError(this.#state.error);
    throw storeError("STORE_CLOSED", {}, "the log is closed");
  }

  #poisonedError(cause: StoreError): StoreError {
    return storeError("STORE_POISONED", {}, `the log failed: ${cause.message}; reopen the store`, cause);
  }

  #fullError(): StoreError {
    const neededBytes = this.#parts.segmentBytes;
    return storeError(
      "STORE_FULL",
      { neededBytes },
      "the disk has no room for another log segment; free some",
    );
  }
}
