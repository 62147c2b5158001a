/**
 * Starts a log: its thread at once, so that it starts while the store is still reading, and the rest once the log was
 * read. A thread takes as long to start as most stores to open; begun behind the opening, it made the first commit wait.
 *
 * 1. The thread touches no file before it is told the position behind all that was read.
 * 2. One that is not told ends with `abandon`, before that resolves.
 * 3. What ends it before there is a log to say so is said by the log, first of all.
 */
import { defined } from "../assert.ts";
import { systemClock } from "../clock.ts";
import type { StoreError } from "../errors.ts";
import { KIB, RING_BYTES } from "../limits.ts";
import { ANSWER_RING_BYTES } from "./answer-ring.ts";
import { Drain } from "./drain.ts";
import { type LogPlace, listSegments, openSegment, randomSalt, type SegmentSource } from "./files.ts";
import type { HostEvents, LogHost } from "./host.ts";
import { InlineHost } from "./inline-host.ts";
import { MainLog } from "./main-log.ts";
import type { Reopened } from "./reopen.ts";
import { Ring } from "./ring.ts";
import { SEAL_RESERVE_BYTES } from "./segment.ts";
import { Supply } from "./supply.ts";
import { SyncWatch } from "./sync-watch.ts";
import { ThreadHost } from "./thread-host.ts";
import type { LogConfig, LogListener } from "./types.ts";
import { SpareGate, WORD_COUNT } from "./words.ts";
import { LogWriter } from "./writer.ts";

/** Inline there is no parallel reader to keep busy, and simulations open very many logs. */
const INLINE_RING_BYTES = 64 * KIB;

export class LogStarter {
  readonly #config: LogConfig;
  readonly #place: LogPlace;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * WORD_COUNT));
  readonly #ring: SharedArrayBuffer;
  readonly #threads: ThreadHost | undefined;
  #main: MainLog | undefined;
  #died: StoreError | undefined;
  readonly #events: HostEvents = {
    answer: (answer) => this.#main?.onAnswer(answer),
    died: (error) => {
      this.#died ??= error;
      this.#main?.onFailure(error);
    },
  };

  constructor(config: LogConfig, place: LogPlace) {
    this.#config = config;
    this.#place = place;
    const isThread = config.mode === "thread";
    this.#ring = new SharedArrayBuffer(config.ringBytes ?? (isThread ? RING_BYTES : INLINE_RING_BYTES));
    this.#threads = isThread ? this.#startThread() : undefined;
  }

  #startThread(): ThreadHost {
    const { directory, storeId, segmentBytes, sync, syncIntervalMs } = this.#config;
    const common = { directory, storeId, segmentBytes, words: this.#words };
    const answerRing = new SharedArrayBuffer(ANSWER_RING_BYTES);
    const log = { ...common, ring: this.#ring, answerRing, sync, syncIntervalMs };
    return new ThreadHost(log, common, this.#events);
  }

  /** The log behind what was read. */
  start(reopened: Reopened, listener: LogListener): MainLog {
    const { position, recyclable } = reopened;
    const place = this.#place;
    const words = this.#words;
    const main = new MainLog({
      place,
      segmentBytes: this.#config.segmentBytes,
      listener,
      ring: new Ring(this.#ring, words),
      words,
      lastLsn: position.lsn,
      activeSegment: position.segment,
      oldestSegment: Math.min(position.segment, ...listSegments(place).slice(0, 1)),
      room: roomBehind(place, position),
    });
    this.#threads?.begin(position, { active: position.segment, recyclable });
    const host = this.#threads ?? this.#inlineHost(reopened);
    main.start(host);
    host.wakeSupply();
    this.#main = main;
    if (this.#died !== undefined) main.onFailure(this.#died);
    return main;
  }

  /** There will be no log. */
  async abandon(): Promise<void> {
    await this.#threads?.end();
  }

  #inlineHost({ position, recyclable }: Reopened): LogHost {
    const config = this.#config;
    const place = this.#place;
    const words = this.#words;
    const clock = config.clock ?? systemClock;
    const externals: Uint8Array[] = [];
    const gate = new SpareGate(words, config.segmentBytes, () => host.wakeSupply());
    const now = (): number => clock.now();
    const watch = new SyncWatch(words, now);
    const drain = new Drain({
      ring: new Ring(this.#ring, words),
      writer: new LogWriter(place, position, config.segmentBytes, (bytes) => gate.take(bytes), watch),
      gate,
      sync: config.sync,
      syncIntervalMs: config.syncIntervalMs,
      takeExternal: () => defined(externals.shift(), "an external frame arrives before its command"),
      watch,
      answer: (answer) => this.#events.answer(answer),
      canAnswer: () => true,
      now,
    });
    const supply = new Supply(place, sourceOf(config), words, { active: position.segment, recyclable });
    const host = new InlineHost({ drain, supply, externals, clock, events: this.#events });
    return host;
  }
}

function roomBehind(place: LogPlace, position: Reopened["position"]): number {
  const { file, header } = openSegment(place, position.segment, "read");
  file.close();
  return header.fileBytes - position.offset - SEAL_RESERVE_BYTES;
}

export function sourceOf(config: LogConfig): SegmentSource {
  const clock = config.clock ?? systemClock;
  return { segmentBytes: config.segmentBytes, salt: config.salt ?? randomSalt, wall: () => clock.wall() };
}
