/**
 * A log in memory with verbs: open, write, roll, reopen, damage. Turns run only when a test says so, but for
 * those of an opening, for which the test waits anyway.
 */
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { StoreError } from "../../src/errors.ts";
import { isStoreError } from "../../src/errors.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { randomFrom } from "../../src/vfs/memory-random.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import {
  createLog,
  type Log,
  type LogConfig,
  type LogRecovery,
  type LogStart,
  openLog,
  scanLog,
} from "../../src/wal/log.ts";

export const DIRECTORY = "/store/wal";
export const STORE_ID = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);
/** A crash or a close ends in fewer turns than this, or something spins. */
const MAX_TURNS = 10_000;

export interface Found {
  readonly lsn: number;
  readonly segment: number;
  readonly offset: number;
  readonly payload: Buffer;
}

export interface FixtureOptions {
  readonly vfs?: Vfs;
  readonly segmentBytes?: number;
  readonly sync?: LogConfig["sync"];
  readonly ringBytes?: number;
  /** Its turns are the fixture's own. */
  readonly clock?: Omit<Clock, "turn">;
}

/** Salts that differ and that a test can repeat. */
export function saltsFrom(seed: number): () => bigint {
  const random = randomFrom(seed);
  const word = (): bigint => BigInt(Math.floor(random() * 2 ** 32));
  return () => (word() << 32n) | word();
}

export class LogFixture {
  readonly vfs: Vfs;
  readonly config: LogConfig;
  readonly turns: (() => void)[] = [];
  /** Payload of every record ever appended, by LSN; acknowledged ones also by place. */
  readonly sent = new Map<number, Buffer>();
  readonly durable = new Map<number, { segment: number; offset: number }>();
  readonly failures: StoreError[] = [];
  readonly slowSyncs: number[] = [];
  found: Found[] = [];
  start: LogStart | undefined;
  #log: Log | undefined;
  /** Counts kills: what a killed process still asks for never runs. */
  #life = 0;

  constructor(options: FixtureOptions = {}) {
    this.vfs = options.vfs ?? new MemoryVfs();
    this.config = {
      vfs: this.vfs,
      directory: DIRECTORY,
      storeId: STORE_ID,
      segmentBytes: options.segmentBytes ?? 65536,
      sync: options.sync ?? "always",
      syncIntervalMs: 100,
      mode: "inline",
      clock: {
        ...(options.clock ?? systemClock),
        turn: (taker, turn) => {
          if (taker === "opening") setImmediate(turn);
          else this.turns.push(turn);
        },
      },
      salt: saltsFrom(1),
      ...(options.ringBytes === undefined ? {} : { ringBytes: options.ringBytes }),
    };
  }

  /** The same log on another file system, e.g. after a crash. Salts differ from the crashed ones. */
  on(vfs: Vfs): LogFixture {
    const other = new LogFixture({ vfs, segmentBytes: this.config.segmentBytes, sync: this.config.sync });
    Object.assign(other.config, { salt: saltsFrom(2 + this.sent.size) });
    other.start = this.start;
    for (const [lsn, payload] of this.sent) other.sent.set(lsn, payload);
    return other;
  }

  get log(): Log {
    assert.ok(this.#log !== undefined, "the log is open");
    return this.#log;
  }

  create(): this {
    this.vfs.makeDirectory("/store");
    this.vfs.syncDirectory("/");
    this.start = createLog(this.config);
    return this;
  }

  async open(): Promise<LogRecovery> {
    const start = this.#start();
    this.found = [];
    const { clock = systemClock } = this.config;
    const { log, recovery } = await openLog(
      { ...this.config, clock: this.#clockOfThisLife(clock) },
      start,
      (lsn, segment, offset, payload) => {
        this.found.push({ lsn, segment, offset, payload: Buffer.from(payload) });
      },
      {
        durable: (lsn, segment, offset) => void this.durable.set(lsn, { segment, offset }),
        batchEnd: () => {},
        slowSync: (durationMs) => void this.slowSyncs.push(durationMs),
        failed: (error) => void this.failures.push(error),
      },
    );
    this.#log = log;
    return recovery;
  }

  /** Appends a record of that size whose bytes tell its LSN. */
  append(bytes: number): number {
    const lsn = this.log.lastLsn + 1;
    const payload = payloadFor(lsn, bytes);
    this.sent.set(lsn, payload);
    assert.equal(this.log.append(payload), lsn);
    return lsn;
  }

  /** Runs turns until none is left. */
  async settle(): Promise<void> {
    for (let count = 0; count < MAX_TURNS; count += 1) {
      await Promise.resolve();
      const turn = this.turns.shift();
      if (turn === undefined) return;
      turn();
    }
    assert.fail("the log does not come to rest");
  }

  /** One batch per call. */
  async write(...sizes: number[]): Promise<void> {
    for (const size of sizes) this.append(size);
    await this.settle();
  }

  async roll(): Promise<LogStart> {
    const rolled = this.log.roll();
    await this.settle();
    return rolled;
  }

  async close(): Promise<void> {
    const closed = this.log.close();
    await this.settle();
    await closed;
  }

  /** A killed process has no turns and no timers: what it had begun, it does not go on with. */
  #clockOfThisLife(clock: Clock): Clock {
    const life = this.#life;
    const ifAlive = (fn: () => void) => (): void => {
      if (life === this.#life) fn();
    };
    return {
      ...clock,
      setTimeout: (fn, ms) => clock.setTimeout(ifAlive(fn), ms),
      turn: (taker, fn) => clock.turn(taker, ifAlive(fn)),
    };
  }

  /** Leaves the log as a killed process does. */
  kill(): void {
    this.#life += 1;
    this.turns.length = 0;
    this.#log = undefined;
  }

  /** What was found is a dense prefix of what was sent, with the right bytes, and holds all `acknowledged`. */
  check(acknowledged: Iterable<number>): void {
    this.found.forEach(({ lsn, payload }, index) => {
      assert.equal(lsn, (this.start?.lsn ?? 0) + index + 1, "LSNs are dense");
      assert.ok(this.sent.get(lsn)?.equals(payload), `LSN ${lsn} has the bytes that were sent`);
    });
    const last = this.found.at(-1)?.lsn ?? this.start?.lsn ?? 0;
    for (const lsn of acknowledged)
      assert.ok(lsn <= last, `acknowledged LSN ${lsn} is there, found up to ${last}`);
  }

  /** Records that a reader without ownership finds. */
  scan(until?: LogStart): number[] {
    const lsns: number[] = [];
    scanLog(this.vfs, DIRECTORY, STORE_ID, this.#start(), until, (lsn, _segment, _offset, payload) => {
      lsns.push(lsn);
      assert.ok(this.sent.get(lsn)?.equals(payload));
    });
    return lsns;
  }

  #start(): LogStart {
    assert.ok(this.start !== undefined, "the log was created");
    return this.start;
  }
}

/** A fresh log, open, its spares made. */
export async function opened(options: FixtureOptions = {}): Promise<LogFixture> {
  const fixture = new LogFixture(options).create();
  await fixture.open();
  await fixture.settle();
  return fixture;
}

export function payloadFor(lsn: number, bytes: number): Buffer {
  const payload = Buffer.alloc(bytes, lsn & 0xff);
  if (bytes >= 4) payload.writeUInt32LE(lsn, 0);
  return payload;
}

export function segmentPathOf(number: number): string {
  return `${DIRECTORY}/${number.toString(16).padStart(16, "0")}.wal`;
}

export function readFile(vfs: Vfs, path: string): Buffer {
  const file = vfs.open(path, "read");
  try {
    const bytes = Buffer.alloc(file.stat().size);
    file.read(bytes, 0);
    return bytes;
  } finally {
    file.close();
  }
}

export function writeFile(vfs: Vfs, path: string, bytes: Uint8Array): void {
  vfs.remove(path);
  const file = vfs.open(path, "create");
  file.write([bytes], 0);
  file.sync();
  file.close();
  vfs.syncDirectory(DIRECTORY);
}

/** Asserts that the promise rejects with CORRUPT of a file of the log, and answers the error. */
export async function refusal(work: Promise<unknown>): Promise<{ file: string; offset?: number }> {
  try {
    await work;
  } catch (error) {
    assert.ok(isStoreError(error, "CORRUPT"), String(error));
    assert.ok(error.file.startsWith(DIRECTORY), error.file);
    return error;
  }
  assert.fail("it was not refused");
}
