/**
 * Takes what the ring holds and makes it durable, one step at a time. The same code runs on the log's thread
 * and inline; it never waits: a step that cannot go on says so. It deliberately knows no listener, only
 * answers in order.
 *
 * 1. A batch is answered after its sync (`always`) or after its write (`interval`, `never`), never before.
 * 2. A segment is left, and the log closed, only after a sync, under every policy.
 * 3. After one failure nothing more is written; the failure is the last answer.
 * 4. Where there is no room for its answer nothing is done: whoever takes the answers there are goes on.
 * 5. A missing spare is waited for. Only a log that is being closed gives up on one that cannot be made. A roll is
 *    refused by an attempt that fails after it was asked for, never by one before: the disk may have room again.
 */
import { type ErrorData, errorToData, storeError } from "../errors.ts";
import { nextStep } from "./batch.ts";
import type { LogStart } from "./chain.ts";
import { imageOf } from "./frame.ts";
import type { Ring } from "./ring.ts";
import type { SyncWatch } from "./sync-watch.ts";
import type { SyncPolicy } from "./types.ts";
import type { SpareGate } from "./words.ts";
import type { LogWriter, Run } from "./writer.ts";

/**
 * What the main side is told, in log order. Frames of a batch lie one behind the other from `offset`; `room`
 * is what the active segment still takes.
 */
export type Answer =
  | {
      readonly kind: "batch";
      readonly frames: number;
      readonly segment: number;
      readonly offset: number;
      readonly room: number;
    }
  | { readonly kind: "rolled"; readonly start: LogStart; readonly room: number }
  | { readonly kind: "notRolled" }
  | { readonly kind: "slowSync"; readonly durationMs: number }
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly error: ErrorData };

export type StepResult = "worked" | "idle" | "blocked" | "ended";

export interface DrainParts {
  readonly ring: Ring;
  readonly writer: LogWriter;
  readonly gate: SpareGate;
  readonly sync: SyncPolicy;
  readonly syncIntervalMs: number;
  /** Image of the next external frame, in the order they were put. */
  readonly takeExternal: () => Uint8Array;
  readonly watch: Pick<SyncWatch, "takeSlow">;
  readonly answer: (answer: Answer) => void;
  /** Whether there is room for what one more step has to say. */
  readonly canAnswer: () => boolean;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

export class Drain {
  readonly #parts: DrainParts;
  /** When what was written must be synced at the latest; undefined if nothing waits. */
  #syncAt: number | undefined;
  #lastFrames = 0;
  #ended = false;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** Milliseconds until a step is due although nothing new comes. */
  get dueIn(): number | undefined {
    return this.#syncAt === undefined ? undefined : Math.max(0, this.#syncAt - this.#parts.now());
  }

  /** Frames of the newest batch. */
  get lastFrames(): number {
    return this.#lastFrames;
  }

  /** Does the next piece of work, if there is one. */
  step(): StepResult {
    if (this.#parts.gate.isOver) this.abandon();
    if (this.#ended) return "ended";
    try {
      const result = this.#next();
      this.#tellSlowSync();
      return result;
    } catch (error) {
      this.#end({ kind: "failed", error: errorToData(error) });
      return "ended";
    }
  }

  /** Lets go of the files without another write: the log has failed elsewhere, and a close that fails adds nothing. */
  abandon(): void {
    if (this.#ended) return;
    this.#ended = true;
    try {
      this.#parts.writer.close();
    } catch {
      // Both handles are gone all the same, and the failure that ended the log was told.
    }
  }

  #next(): StepResult {
    const { ring, writer } = this.#parts;
    if (this.dueIn === 0) this.#sync();
    if (!this.#parts.canAnswer()) return "blocked";
    const step = nextStep(ring.image, ring.filled, writer.room);
    switch (step.kind) {
      case "nothing":
        return "idle";
      case "full":
        return this.#moveOn(step.bytes);
      case "frames":
        this.#write(step.runs, step.count, step.taken);
        return "worked";
      case "external":
        return this.#external(step.bytes, step.taken);
      case "roll":
        return this.#roll(step.taken);
      case "close":
        writer.seal();
        this.#end({ kind: "closed" });
        return "ended";
    }
  }

  #write(runs: readonly Run[], frames: number, taken: number): void {
    const { ring, writer, answer, sync } = this.#parts;
    const offset = writer.write(runs, frames);
    ring.release(taken);
    this.#lastFrames = frames;
    if (sync === "always") this.#sync();
    else if (sync === "interval") this.#syncAt ??= this.#parts.now() + this.#parts.syncIntervalMs;
    answer({ kind: "batch", frames, segment: writer.segment, offset, room: writer.room });
  }

  #external(bytes: number, taken: number): StepResult {
    const { writer } = this.#parts;
    if (!writer.fits(bytes)) return this.#moveOn(bytes);
    const image = imageOf(this.#parts.takeExternal());
    this.#write([{ image, start: 0, end: image.bytes.length }], 1, taken);
    return "worked";
  }

  /** Moves on to a segment that takes a frame of `bytes`. */
  #moveOn(bytes: number): StepResult {
    const { writer, gate } = this.#parts;
    const rolled = writer.roll(bytes);
    this.#syncAt = undefined;
    if (rolled) return "worked";
    if (gate.closing && gate.supplyDown) {
      throw storeError(
        "STORE_FULL",
        { neededBytes: bytes },
        "the disk had no room for a new log segment while closing",
      );
    }
    return "blocked";
  }

  #roll(taken: number): StepResult {
    const { ring, writer, gate, answer } = this.#parts;
    const start = writer.rollNow();
    this.#syncAt = undefined;
    if (start !== undefined) answer({ kind: "rolled", start, room: writer.room });
    else if (gate.isRefused) answer({ kind: "notRolled" });
    else return "blocked";
    ring.release(taken);
    return "worked";
  }

  #sync(): void {
    this.#parts.writer.sync();
    this.#syncAt = undefined;
  }

  #tellSlowSync(): void {
    if (!this.#parts.canAnswer()) return;
    const durationMs = this.#parts.watch.takeSlow();
    if (durationMs !== undefined) this.#parts.answer({ kind: "slowSync", durationMs });
  }

  #end(answer: Answer): void {
    this.#ended = true;
    try {
      this.#parts.writer.close();
    } catch (error) {
      if (answer.kind === "closed") {
        this.#parts.answer({ kind: "failed", error: errorToData(error) });
        return;
      }
    }
    this.#parts.answer(answer);
  }
}
