/**
 * The log writer: a callback actor around the queue of writes between sessions and the log. It numbers a
 * write, hands its frames to the log, and settles it when the sync policy's promise holds. It knows nothing
 * of revisions or graphs.
 *
 * 1. Writes settle in the order they were appended; so does every answer that rests on one (`after`).
 * 2. After the log failed every queued write is settled with COMMIT_OUTCOME_UNKNOWN, in order, once, and
 *    later ones are refused; nothing settles well afterwards, not even what the log still makes durable.
 * 3. A failure inside the writer itself is treated as one of the log: an actor that threw would be dead and
 *    drop events, and those who wait would wait for ever.
 *
 * A machine event per commit would cost more than the queue itself (docs/adr/0003): sessions append to it
 * directly, and everything else, once a batch or rarer, is told to the actor in turn.
 */
import { type Actor, type AnyEventObject, fromCallback } from "xstate";
import { assert } from "../assert.ts";
import { type StoreError, storeError, toStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import type { LogProgress } from "../session/recent-bodies.ts";
import { encodeRecordTransient, type SessionRecord } from "../session/record.ts";
import type { Log } from "../wal/log.ts";
import { blobPayloads, type NewBlob } from "./blob-frames.ts";
import { Fifo } from "./fifo.ts";
import type { BlobTail, Tail } from "./tail.ts";

/**
 * One session's write: blobs, then the record that names them. It waits in the queue of frames and in that of
 * answers, so it holds neither the record nor its bytes: they would stay in memory until it is durable.
 */
export interface Write extends Settlement {
  readonly kind: SessionRecord["kind"];
  readonly sessionId: string;
  /** LSN of the record; set by the log writer before `append` returns, and 0 if it is refused. */
  lsn: Lsn;
  /** Bytes of the record's payload; set by the log writer as well. */
  bytes: number;
}

/** Who waits for the log up to an LSN. */
export interface Settlement {
  readonly lsn: Lsn;
  /** Called once when everything up to the LSN is durable, or with the error that makes its outcome unknown. */
  settle(error: StoreError | undefined): void;
}

export type LogWriterEvent =
  /** Calls back when everything appended so far is durable. */
  | { readonly type: "after"; readonly settle: (error: StoreError | undefined) => void }
  /** Frames up to `lastLsn` are durable; `positions` has (segment, offset) of each, flat, in LSN order. */
  | { readonly type: "log.batch"; readonly lastLsn: Lsn; readonly positions: readonly number[] }
  | { readonly type: "log.failed"; readonly error: StoreError };

export interface WriteQueueParts {
  readonly log: Log;
  readonly tail: Tail;
  /** Told once when the log fails, before the queued writes are settled. */
  readonly onFailed: (error: StoreError) => void;
}

/** What a frame in flight is, so that its place can be entered into the tail once it is durable. */
type Frame = Write | BlobTail;

export const logWriterLogic = fromCallback<LogWriterEvent & AnyEventObject, { readonly queue: WriteQueue }>(
  ({ input: { queue }, receive }) => {
    receive((event) => queue.receive(event as LogWriterEvent));
    return () => queue.fail(storeError("STORE_CLOSED", {}, "the store was closed"));
  },
);

export type LogWriterRef = Actor<typeof logWriterLogic>;

export class WriteQueue implements LogProgress {
  readonly #log: Log;
  readonly #tail: Tail;
  readonly #onFailed: (error: StoreError) => void;
  readonly #frames = new Fifo<Frame>();
  readonly #settlements = new Fifo<Settlement>();
  #error: StoreError | undefined;
  /** What was appended up to this LSN is durable, in the tail, and answered. */
  settledLsn: Lsn = 0;

  constructor({ log, tail, onFailed }: WriteQueueParts) {
    this.#log = log;
    this.#tail = tail;
    this.#onFailed = onFailed;
  }

  /** LSN of the newest write. */
  get lastLsn(): Lsn {
    return this.#log.lastLsn;
  }

  receive(event: LogWriterEvent): void {
    try {
      this.#receive(event);
    } catch (error) {
      this.#breakOff(toStoreError(error));
    }
  }

  #receive(event: LogWriterEvent): void {
    switch (event.type) {
      case "after":
        return this.#after(event.settle);
      case "log.batch":
        // A store may be poisoned for another reason while its log goes on.
        if (this.#error !== undefined) return undefined;
        this.#place(event.positions);
        return this.#settleUpTo(event.lastLsn);
      case "log.failed":
        return this.#breakOff(event.error);
      default:
        return undefined;
    }
  }

  /** Appends, and sets `write.lsn`. Throws nothing: a refused write is settled with the error. */
  append(write: Write, record: SessionRecord, blobs: readonly NewBlob[]): void {
    if (this.#error !== undefined) {
      write.settle(poisonedError(this.#error));
      return;
    }
    try {
      for (const blob of blobs) this.#appendBlob(blob);
      const payload = encodeRecordTransient(record);
      write.lsn = this.#log.append(payload);
      write.bytes = payload.length;
      this.#frames.push(write);
      this.#settlements.push(write);
    } catch (error) {
      // Half of a write may be in the ring: nothing can be said about the log any more.
      const failure = toStoreError(error);
      this.#breakOff(failure);
      write.settle(poisonedError(failure));
    }
  }

  #appendBlob(blob: NewBlob): void {
    let entry: BlobTail | undefined;
    for (const payload of blobPayloads(blob)) {
      const lsn = this.#log.append(payload);
      entry ??= this.#tail.addBlob(blob.ref, blob.blobKind, blob.bytes.length, lsn);
      this.#frames.push(entry);
    }
  }

  #after(settle: Settlement["settle"]): void {
    if (this.#error !== undefined) settle(unknownError(this.#error));
    else if (this.#settlements.isEmpty) settle(undefined);
    else this.#settlements.push({ lsn: this.#log.lastLsn, settle });
  }

  #place(positions: readonly number[]): void {
    for (let i = 0; i + 1 < positions.length; i += 2) {
      const frame = this.#frames.shift();
      assert(frame !== undefined, "every durable frame was appended by this writer");
      const segment = positions[i] as number;
      const offset = positions[i + 1] as number;
      if ("positions" in frame) frame.positions.push(segment, offset);
      else this.#tail.addRecord(frame, frame.lsn, segment, offset, frame.bytes);
    }
  }

  #settleUpTo(lsn: Lsn): void {
    for (let next = this.#settlements.peek(); next !== undefined; next = this.#settlements.peek()) {
      if (next.lsn > lsn) break;
      this.#settlements.shift();
      next.settle(undefined);
    }
    this.settledLsn = lsn;
  }

  /** Tells of the failure once, then settles what waits. */
  #breakOff(error: StoreError): void {
    if (this.#error === undefined) this.#onFailed(error);
    this.fail(error);
  }

  fail(error: StoreError): void {
    this.#error ??= error;
    this.#frames.takeAll();
    for (const settlement of this.#settlements.takeAll()) settlement.settle(unknownError(error));
  }
}

/** For a write that was in flight when the log failed, or an answer that rests on one. */
export function unknownError(cause: StoreError): StoreError {
  return storeError(
    "COMMIT_OUTCOME_UNKNOWN",
    {},
    `the log failed while this was in flight: it may or may not be stored. Reopen the store and send it again with the same operationId (${cause.message})`,
    cause,
  );
}

/** For every write after the log failed. */
export function poisonedError(cause: StoreError): StoreError {
  return storeError(
    "STORE_POISONED",
    {},
    `a write or sync of the store failed; reopen it (${cause.message})`,
    cause,
  );
}
