/**
 * How fast does the log make frames durable, and how long does one take? Appenders of 1 KiB records, each
 * waiting for its own frame before it sends the next, beside two yardsticks on the same disk: a synchronous
 * `write` + `fdatasync` of one record, and a bare one-thread group-commit loop without checksums, LSNs or
 * recovery. Rounds are interleaved, so that a slow moment of the machine hits all; medians of rounds.
 *
 * Not measured: sessions, encoding, recovery. `--small` is a run of a second, so that the bench cannot rot.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  write,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB } from "../src/limits.ts";
import { createDiskVfs } from "../src/vfs/disk.ts";
import { createLog, type Log, openLog } from "../src/wal/log.ts";

const small = process.argv.includes("--small");
const ROUNDS = small ? 1 : 5;
const ROUND_MS = small ? 100 : 1000;
const RECORD_BYTES = 1024;
const SEGMENT_BYTES = 16 * MIB;

interface Round {
  readonly framesPerSecond: number;
  readonly p50Us: number;
}

/** Something that makes one record durable; `made` when it is. */
interface Subject {
  readonly name: string;
  append(made: () => void): void;
  close(): Promise<void>;
}

async function logSubject(directory: string, mode: "thread" | "inline"): Promise<Subject> {
  const config = {
    vfs: createDiskVfs(),
    directory: `${directory}/wal-${mode}`,
    storeId: new Uint8Array(16).fill(7),
    segmentBytes: SEGMENT_BYTES,
    sync: "always" as const,
    syncIntervalMs: 100,
    mode,
  };
  const waiting: (() => void)[] = [];
  let segment = 0;
  let log: Log | undefined;
  const opened = await openLog(config, createLog(config), () => {}, {
    durable: (_lsn, at) => {
      if (at !== segment) {
        segment = at;
        // As after a fold: what was sealed comes back as the next spares.
        log?.retire(at, { scrub: false });
      }
      waiting.shift()?.();
    },
    batchEnd: () => {},
    slowSync: () => {},
    failed: (error) => {
      throw error;
    },
  });
  log = opened.log;
  const record = Buffer.alloc(RECORD_BYTES, 0x61);
  return {
    name: `log, ${mode}`,
    append: (made) => {
      waiting.push(made);
      opened.log.append(record);
    },
    close: () => opened.log.close(),
  };
}

/** Concatenates what queued, writes it, syncs it, answers all: the least a group commit can do. */
function bareLoop(directory: string): Subject {
  const fd = openSync(join(directory, "bare"), "w");
  let queued: (() => void)[] = [];
  let parts: Uint8Array[] = [];
  let position = 0;
  let running = false;
  const flush = (): void => {
    const answered = queued;
    const bytes = Buffer.concat(parts);
    queued = [];
    parts = [];
    running = answered.length > 0;
    if (!running) return;
    write(fd, bytes, 0, bytes.length, position, (writeError) => {
      if (writeError !== null) throw writeError;
      position += bytes.length;
      fdatasync(fd, (syncError) => {
        if (syncError !== null) throw syncError;
        for (const made of answered) made();
        setImmediate(flush);
      });
    });
  };
  const record = Buffer.alloc(RECORD_BYTES, 0x61);
  return {
    name: "bare loop",
    append: (made) => {
      queued.push(made);
      parts.push(Buffer.from(record));
      if (running) return;
      running = true;
      setImmediate(flush);
    },
    close: async () => closeSync(fd),
  };
}

function synchronousRaw(directory: string): Subject {
  const fd = openSync(join(directory, "raw"), "w");
  const record = Buffer.alloc(RECORD_BYTES, 0x61);
  let position = 0;
  return {
    name: "write + fdatasync",
    append: (made) => {
      writeSync(fd, record, 0, record.length, position);
      position += record.length;
      fdatasyncSync(fd);
      made();
    },
    close: async () => closeSync(fd),
  };
}

/** So many appenders for so long, each with one record in flight. */
async function round(subject: Subject, appenders: number): Promise<Round> {
  const latencies: number[] = [];
  const started = performance.now();
  const end = started + ROUND_MS;
  const appender = async (): Promise<void> => {
    for (let at = performance.now(); at < end; at = performance.now()) {
      await new Promise<void>((resolve) => subject.append(resolve));
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: appenders }, appender));
  const seconds = (performance.now() - started) / 1000;
  return { framesPerSecond: latencies.length / seconds, p50Us: 1000 * median(latencies) };
}

function median(values: number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

async function main(): Promise<void> {
  const parent = process.env.VARVE_BENCH_DIR ?? tmpdir();
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, "varve-bench-"));
  const subjects = [
    await logSubject(directory, "thread"),
    await logSubject(directory, "inline"),
    bareLoop(directory),
    synchronousRaw(directory),
  ];
  try {
    for (const subject of subjects) await round(subject, 1);
    for (const appenders of [1, 64, 1024]) {
      const rounds = new Map<string, Round[]>();
      for (let index = 0; index < ROUNDS; index += 1) {
        for (const subject of subjects) {
          // A synchronous call has no second appender.
          if (appenders > 1 && subject.name === "write + fdatasync") continue;
          rounds.set(subject.name, [...(rounds.get(subject.name) ?? []), await round(subject, appenders)]);
        }
      }
      for (const [name, measured] of rounds) {
        const rate = Math.round(median(measured.map((one) => one.framesPerSecond)));
        const p50 = Math.round(median(measured.map((one) => one.p50Us)));
        console.log(
          `${String(appenders).padStart(4)} appenders  ${name.padEnd(18)} ${String(rate).padStart(8)} frames/s  p50 ${p50} µs`,
        );
      }
    }
    for (const subject of subjects) await subject.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
