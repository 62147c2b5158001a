/**
 * A soak: one store lives through many processes, most of which are killed, under a limit of memory; the checker of
 * histories follows all of it, and memory and disk must be flat at the end.
 *
 * 1. The same seed draws the same lives and the same work; only the threads' turns differ.
 * 2. Nothing is judged by time. Time may end a run, between two lives.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StoreOptions } from "../../src/contract.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import { HistoryCheck } from "../../src/testing/history/check.ts";
import { describeEvent, describeViolation } from "../../src/testing/history/describe.ts";
import type { HistoryEvent } from "../../src/testing/history/events.ts";
import { Random } from "../../src/testing/simulation/random.ts";
import {
  type Disk,
  diskBesides,
  diskPerLiveByte,
  type Flatness,
  judgeFlat,
  markBytesOf,
  SLACK_BYTES,
} from "./flat.ts";
import type { Death, Line, Measurement } from "./job.ts";
import { live } from "./life.ts";
import { Tally } from "./tally.ts";
import { PAPER } from "./work.ts";

/** Of JavaScript's old space: a host that keeps what it should not dies of it. */
const HEAP_MIB = 128;
/** Of the whole process, threads and the disk's buffers included. */
const MOST_RSS_BYTES = 400 * 2 ** 20;
/** Last quarter to second quarter. */
const MOST_GROWTH = 1.3;
/** Measured right after collections, so it varies little; most of it is there from the start. */
const MOST_HEAP_GROWTH = 1.25;
/** Threads and the allocator take what they need once, over thousands of operations; the ceiling stands besides. */
const MOST_PROCESS_GROWTH = 1.6;
/** What is on disk (log apart) to what lives, at every measurement. */
const MOST_DISK_PER_LIVE_BYTE = 1.5;
/** Of what is on disk besides what lives; what compression saves depends on which values live. */
const MOST_BESIDES_GROWTH = { none: 1.3, balanced: 1.5, compact: 1.5 } as const;
/** Events in which a blob that nobody holds is remembered. */
const EVENTS_REMEMBERED = 50_000;
/** Last events kept as evidence. */
const EVIDENCE_EVENTS = 20_000;

type Measured = Measurement & Disk;

export interface SoakInput {
  /** New or empty. */
  readonly directory: string;
  readonly seed: number;
  /** Lives that are killed before each long one. */
  readonly deaths: number;
  /** Of a long life, which is closed. */
  readonly operations: number;
  readonly period: number;
  /** Asked between two lives, and at least one long life is lived. */
  readonly isOver: () => boolean;
  readonly onProgress?: (run: SoakRun) => void;
}

export class SoakRun {
  readonly tally = new Tally();
  readonly measurements: Measured[] = [];
  readonly wrong: string[] = [];
  readonly flatness: Flatness[] = [];
  lives = 0;
  readonly #input: SoakInput;
  readonly #random: Random;
  readonly #check = new HistoryCheck();
  readonly #sent: RuntimeCommit[] = [];
  /** Since the check took some, and for evidence. */
  #events: HistoryEvent[] = [];
  #last: HistoryEvent[] = [];
  /** Ids of calls begin anew in every life. */
  #firstId = 0;
  #highestId = 0;

  constructor(input: SoakInput) {
    this.#input = input;
    this.#random = Random.stream(input.seed, "lives");
  }

  /** What was found wrong, if anything was, is in `wrong`. */
  async run(): Promise<void> {
    const { deaths, isOver } = this.#input;
    mkdirSync(this.#input.directory, { recursive: true });
    do {
      for (let count = 0; count < deaths && this.wrong.length === 0; count++)
        await this.#live(this.#drawDeath());
      if (this.wrong.length === 0) await this.#live(undefined);
    } while (this.wrong.length === 0 && !isOver());
    this.#judgeRun();
    if (this.wrong.length > 0) this.#keepEvidence();
  }

  get #store(): string {
    return join(this.#input.directory, "store");
  }

  /** Anywhere in its work, or while it opens; at once, or in the middle of what it asked for. */
  #drawDeath(): Death {
    const random = this.#random;
    if (random.chance(0.25)) return { kind: "time", ms: random.spread(100, 3_000) };
    return { kind: "event", number: random.spread(60, 4_000), delayMs: random.pick([0, 0, 2, 20]) };
  }

  async #live(death: Death | undefined): Promise<void> {
    const { seed, operations, period, directory } = this.#input;
    const life = ++this.lives;
    const from = this.measurements.length;
    const options = this.#drawOptions(death === undefined);
    const job = {
      ...{ seed, life, operations, period, death, options, directory: this.#store },
      paper: { sent: this.#sent, deletedIds: this.tally.deletedIds },
    };
    this.#firstId = this.#highestId + 1;
    const end = await live(job, {
      file: join(directory, "job"),
      heapMib: HEAP_MIB,
      onLine: (line) => this.#take(line),
    });
    if (end.how === "killed") this.#add({ type: "ended", at: 0, how: "killed" });
    this.#judgeHistory();
    if (end.wrong !== undefined) this.#complain(end.wrong);
    this.#judgeLife(
      this.measurements.slice(from),
      MOST_BESIDES_GROWTH[options.blobCompression ?? "balanced"],
    );
    this.tally.lived(end.how);
    this.#input.onProgress?.(this);
  }

  /** A long life must not lose its measure to a policy, so it has the one that everybody uses. */
  #drawOptions(isLong: boolean): StoreOptions {
    const random = this.#random;
    return {
      sync: isLong ? "always" : random.pick(["always", "always", "interval", "never"]),
      segmentBytes: random.pick([64, 256, 1024]) * 1024,
      snapshot: { logBytes: random.pick([256, 1024]) * 1024, intervalMs: random.pick([50, 1_000]) },
      gc: { garbageRatio: random.pick([0.1, 0.5]), minBytes: 64 * 1024 },
      blobCompression: random.pick(["balanced", "none"]),
      maxResidentBytes: random.pick([256, 1024]) * 1024,
      receiptsKept: 4,
    };
  }

  #take(line: Line): void {
    if (line.type === "event") this.#add(this.#renumber(line.event));
    else if (line.type === "sent") {
      this.#sent.push(line.commit);
      if (this.#sent.length > PAPER) this.#sent.shift();
    } else if (line.type === "measured") {
      const { measurement } = line;
      const measured = { ...measurement, markBytes: markBytesOf(measurement, this.tally.of("delete")) };
      this.measurements.push(measured);
      // Nothing is in flight while a host measures.
      this.#judgeHistory();
      this.#judgeMeasurement(measured);
      this.#input.onProgress?.(this);
    }
  }

  #renumber(event: HistoryEvent): HistoryEvent {
    if (event.type !== "invoked" && event.type !== "answered") return event;
    const id = this.#firstId + event.id;
    this.#highestId = Math.max(this.#highestId, id);
    return { ...event, id };
  }

  #add(event: HistoryEvent): void {
    this.#events.push(event);
    this.tally.take(event);
  }

  #judgeHistory(): void {
    this.#last = [...this.#last, ...this.#events].slice(-EVIDENCE_EVENTS);
    const events = this.#events;
    this.#events = [];
    try {
      this.#check.take(events);
      this.#check.settle(EVENTS_REMEMBERED);
    } catch (error) {
      this.#complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    for (const violation of this.#check.violations()) this.#complain(describeViolation(violation));
  }

  #complain(text: string): void {
    if (!this.wrong.includes(text)) this.wrong.push(text);
  }

  #judgeMeasurement(measured: Measured): void {
    const { rssBytes, diskBytes, liveBytes, markBytes } = measured;
    if (rssBytes > MOST_RSS_BYTES)
      this.#complain(`the process takes ${rssBytes} bytes, more than ${MOST_RSS_BYTES}`);
    const most = MOST_DISK_PER_LIVE_BYTE * liveBytes + SLACK_BYTES;
    if (diskBytes - markBytes > most)
      this.#complain(
        `after a gc and two snapshots ${diskBytes} bytes are on disk for ${liveBytes} live ones and ${markBytes} of marks`,
      );
  }

  /** In one process, and under one set of options; others begin anew. */
  #judgeLife(measured: readonly Measured[], mostBesides: number): void {
    const of = (field: keyof Measurement): number[] => measured.map((measurement) => measurement[field]);
    const life = `in life ${measured[0]?.life}`;
    this.#judge(`heap ${life}`, of("heapBytes"), MOST_HEAP_GROWTH);
    this.#judge(`process ${life}`, of("rssBytes"), MOST_PROCESS_GROWTH);
    this.#judge(`log ${life}`, of("logBytes"));
    this.#judge(`files ${life}`, of("files"));
    this.#judge(`open files ${life}`, of("handles"));
    this.#judge(`disk besides what lives ${life}`, measured.map(diskBesides), mostBesides);
  }

  #judgeRun(): void {
    // Not what lies besides: every life draws anew what is compressed.
    this.#judge("disk per live byte", this.measurements.map(diskPerLiveByte));
    if (this.flatness.length === 0 && this.wrong.length === 0)
      this.#complain(`${this.measurements.length} measurements are too few to judge`);
  }

  #judge(what: string, values: readonly number[], most = MOST_GROWTH): void {
    const flatness = judgeFlat(what, values, { most });
    if (flatness === undefined) return;
    this.flatness.push(flatness);
    const { second, last, ratio, isFlat } = flatness;
    const medians = `from ${second} to ${last} (medians of quarters)`;
    if (!isFlat) this.#complain(`${what} grew ${ratio.toFixed(2)}-fold, ${medians}`);
  }

  #keepEvidence(): void {
    const file = join(this.#input.directory, "history.txt");
    writeFileSync(
      file,
      [...this.#last, ...this.#events].map((event) => `${describeEvent(event)}\n`).join(""),
    );
  }
}
