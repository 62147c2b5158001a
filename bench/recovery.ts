/**
 * How long is recovery? Opening a store whose owner died with 1 to 256 MiB of log beyond the newest snapshot,
 * beside reading and checksumming the same files. The death is a copy of the directory taken while the owner
 * still has it open and idle: what a process crash leaves.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { openStore, type Store } from "../src/index.ts";
import type { Bench, BenchRun, Row } from "./support/bench.ts";
import { commitOf, sessionOf } from "./support/commits.ts";
import { copyStore } from "./support/copy-store.ts";
import { interleave, type Sample } from "./support/rounds.ts";
import { pick, sized } from "./support/sizes.ts";
import { DURABILITY, expectEqual } from "./support/subject.ts";

const SESSIONS = 256;
const MIB = 1 << 20;

export const recovery: Bench = {
  name: "recovery",
  question: "How long is recovery?",
  baseline: "reading the same log files and a CRC over them",
  notMeasured:
    "Cold disks: files lie in the kernel's cache. Torn tails and damage. With the default triggers a log is folded at 64 MiB or after a minute, so 256 MiB is more than a store leaves on its own.",
  async run(run) {
    const rows: Row[] = [];
    const verified: string[] = [];
    for (const mib of pick(run, [1, 16, 64, 256], [1])) {
      run.say(`${mib} MiB of log`);
      const measured = await measureRecovery(run, mib);
      rows.push(...measured.rows);
      verified.push(measured.verified);
    }
    return {
      rows,
      verified,
      absent: [],
      plots: [
        {
          kind: "lines",
          title: "Time to open over the log beyond the newest snapshot",
          metric: "millis",
          xLabel: "MiB of log",
          xScale: "log",
          yScale: "log",
        },
      ],
    };
  },
};

async function measureRecovery(run: BenchRun, mib: number): Promise<{ rows: Row[]; verified: string }> {
  const directory = join(run.directory, `log-${mib}`);
  const owner = await openStore(directory, { ...sized(run), snapshot: false, gc: false });
  const commits = await fillLog(owner, mib * MIB);
  const wal = join(directory, "wal");
  const crashed = join(run.directory, "crashed");
  const sealed = join(run.directory, "sealed");

  const open = async (path: string, clean: boolean): Promise<Sample> => {
    const started = performance.now();
    const store = await openStore(path, clean ? sized(run) : { ...sized(run), snapshot: false, gc: false });
    const millis = performance.now() - started;
    expectEqual("clean close", store.recovery.cleanClose, clean);
    if (!clean) {
      const { replayedBytes } = store.recovery;
      if (replayedBytes < mib * MIB)
        throw new Error(`only ${replayedBytes} bytes of ${mib} MiB were replayed`);
    }
    const last = sessionOf(commits % SESSIONS === 0 ? SESSIONS - 1 : (commits % SESSIONS) - 1);
    const read = await store.session(last).loadSession();
    expectEqual(`revision of ${last}`, read?.headRevision, Math.ceil(commits / SESSIONS));
    await store.close();
    return { figures: { millis } };
  };

  const point = { at: `${mib} MiB`, x: mib, durability: DURABILITY.power };
  const rows = await interleave(run, [
    {
      ...point,
      subject: "read and CRC of the log",
      durability: DURABILITY.none,
      isBaseline: true,
      measure: async () => {
        const started = performance.now();
        let sum = 0;
        for (const name of readdirSync(wal).filter((one) => one.endsWith(".wal")))
          sum = crc32(readFileSync(join(wal, name)), sum);
        return { figures: { millis: performance.now() - started } };
      },
    },
    {
      ...point,
      subject: "varve, after a crash",
      measure: async () => {
        copyStore(directory, crashed);
        const sample = await open(crashed, false);
        rmSync(crashed, { recursive: true });
        return sample;
      },
    },
    {
      ...point,
      subject: "varve, after close()",
      measure: async () => {
        copyStore(directory, sealed);
        // Untimed: an opening as a host makes it, and its close, which folds a long log and seals it.
        await (await openStore(sealed, sized(run))).close();
        const sample = await open(sealed, true);
        rmSync(sealed, { recursive: true });
        return sample;
      },
    },
  ]);
  await owner.close();
  rmSync(directory, { recursive: true });
  return { rows, verified: `${mib} MiB: ${commits} commits, the last one read back after every opening` };
}

/** Commits in turn over the sessions until the log beyond the snapshot is that long. */
async function fillLog(store: Store, bytes: number): Promise<number> {
  let step = 0;
  for (; store.stats().log.unfoldedBytes < bytes; step += 1) {
    const turn = step;
    await Promise.all(
      Array.from({ length: SESSIONS }, (_, index) =>
        store.session(sessionOf(index)).commitRuntimeState(commitOf(sessionOf(index), turn)),
      ),
    );
  }
  return step * SESSIONS;
}
