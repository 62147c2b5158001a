/**
 * How fast is a commit, and how does group commit scale? Each round runs the baseline and every number of
 * committers in turn; figures are medians over rounds. Baseline: one synchronous write and fdatasync of as
 * many bytes into a preallocated file.
 *
 * Not measured: reads, snapshots (switched off), large commits, other stores.
 */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "../src/index.ts";
import { appendCommit, isSmall, median, percentile, temporaryDirectory } from "./support.ts";

const ROUNDS = isSmall ? 1 : 5;
const COMMITS = isSmall ? 200 : 20_000;
const COMMITTERS = [1, 64, 1024];

interface Figures {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly perSync: number;
}

function rawWrites(directory: string): Figures {
  const file = openSync(join(directory, "raw"), "w");
  const bytes = Buffer.alloc(1536, 1);
  writeSync(file, Buffer.alloc(16 << 20));
  fdatasyncSync(file);
  const latencies: number[] = [];
  const count = Math.min(COMMITS, 2_000);
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    writeSync(file, bytes, 0, bytes.length, i * bytes.length);
    fdatasyncSync(file);
    latencies.push(performance.now() - before);
  }
  const seconds = (performance.now() - started) / 1000;
  closeSync(file);
  latencies.sort((a, b) => a - b);
  return {
    rate: count / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    perSync: 1,
  };
}

async function commits(directory: string, committers: number): Promise<Figures> {
  const store = await openStore(join(directory, `c${committers}`), { snapshot: false, gc: false });
  const total = committers === 1 ? Math.min(COMMITS, 2_000) : COMMITS;
  const latencies: number[] = [];
  const each = Math.ceil(total / committers);
  const warm = await store.session("warm-up").commitRuntimeState(appendCommit("warm-up", 0, undefined));
  const syncsBefore = store.stats().log.syncs;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: committers }, async (_, index) => {
      const id = `s${index}`;
      const session = store.session(id);
      for (let step = 0; step < each; step++) {
        const before = performance.now();
        await session.commitRuntimeState(appendCommit(id, step, step === 0 ? undefined : `m${step - 1}`));
        latencies.push(performance.now() - before);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const syncs = store.stats().log.syncs - syncsBefore;
  await store.close();
  latencies.sort((a, b) => a - b);
  const count = each * committers * warm.headRevision;
  return {
    rate: count / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    perSync: count / syncs,
  };
}

const results = new Map<string, Figures[]>();
for (let round = 0; round < ROUNDS; round++) {
  const directory = temporaryDirectory();
  const add = (name: string, figures: Figures): void =>
    void results.set(name, [...(results.get(name) ?? []), figures]);
  try {
    add("raw write + fdatasync", rawWrites(directory.path));
    for (const committers of COMMITTERS)
      add(`${committers} committers`, await commits(directory.path, committers));
  } finally {
    directory.remove();
  }
}
const base = median((results.get("raw write + fdatasync") ?? []).map((f) => f.p50));
console.table(
  [...results].map(([name, rounds]) => ({
    what: name,
    "commits/s": Math.round(median(rounds.map((f) => f.rate))),
    "p50 ms": Number(median(rounds.map((f) => f.p50)).toFixed(3)),
    "p99 ms": Number(median(rounds.map((f) => f.p99)).toFixed(3)),
    "p50 / raw": Number((median(rounds.map((f) => f.p50)) / base).toFixed(2)),
    "commits per sync": Number(median(rounds.map((f) => f.perSync)).toFixed(1)),
  })),
);
