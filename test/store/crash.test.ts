/**
 * Crashes of the whole store. A workload runs on files in memory; before each of its operations on them the
 * file system is copied as a power cut could leave it, in several ways. Each copy is opened: nothing
 * acknowledged by then may be missing, nothing may be there that was not sent, every blob must resolve, and
 * the store must go on. Recovery itself is crashed the same way. Then real processes are killed under load.
 * VARVE_CRASH_STRIDE=1 looks before every operation instead of a sample.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { checkSession, hide, Progress, sendNext } from "../support/history.ts";
import { Owner } from "../support/owner.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
const SESSIONS = ["one", "two", "three"];
/** Distances between the operations that are crashed; coprime to the workload's rhythm. */
const STRIDE = Number(process.env.VARVE_CRASH_STRIDE ?? 7);
const RECOVERY_STRIDE = Number(process.env.VARVE_CRASH_STRIDE ?? 5);

interface Known {
  readonly progress: ReadonlyMap<string, Progress>;
  /** Whether deleting "doomed" was asked for, and whether it was acknowledged. */
  readonly deletion: "none" | "sent" | "acknowledged";
}
interface Crash {
  readonly title: string;
  readonly vfs: MemoryVfs;
  readonly known: Known;
}

class Workload {
  readonly progress = new Map(SESSIONS.map((id) => [id, new Progress()]));
  deletion: Known["deletion"] = "none";

  known(): Known {
    return {
      progress: new Map([...this.progress].map(([id, progress]) => [id, progress.copy()])),
      deletion: this.deletion,
    };
  }

  async run(store: Store): Promise<void> {
    await store
      .session("doomed")
      .saveSessionMeta({ sessionId: "doomed", sessionName: "d", createdAt: "t", model: "m" });
    for (let round = 0; round < 4; round++) {
      await Promise.all([...this.progress].map(([id, progress]) => this.#turns(store, id, progress)));
      if (round === 1) await this.#delete(store);
      const maintenance = round === 2 ? store.gc() : store.snapshot();
      await Promise.all([
        maintenance,
        ...[...this.progress].map(([id, progress]) => sendNext(store, id, progress)),
      ]);
    }
    await store.session("one").vacuum();
  }

  async #turns(store: Store, id: string, progress: Progress): Promise<void> {
    const calls = [
      sendNext(store, id, progress),
      sendNext(store, id, progress),
      sendNext(store, id, progress),
    ];
    await Promise.all(calls);
    await Promise.all([hide(store, id, progress.acknowledged - 1, progress), sendNext(store, id, progress)]);
  }

  async #delete(store: Store): Promise<void> {
    this.deletion = "sent";
    assert.equal(await store.deleteSession("doomed"), true);
    this.deletion = "acknowledged";
  }
}

/** What a power cut at this moment could leave: the kindest, the cruelest, and some in between. */
function crashesOf(vfs: MemoryVfs, seed: number): { title: string; vfs: MemoryVfs }[] {
  return [
    { title: "nothing unsynced is kept", vfs: vfs.crashKeepingNothing() },
    { title: "everything unsynced is kept", vfs: vfs.crashKeepingEverything() },
    { title: `chance ${seed}`, vfs: vfs.crashRandomly(seed) },
    { title: `chance ${seed + 1_000_000}`, vfs: vfs.crashRandomly(seed + 1_000_000) },
  ];
}

/** Runs the workload once and answers what each crash in it could leave. */
async function crashWorkload(stride: number): Promise<Crash[]> {
  const vfs = new MemoryVfs();
  const workload = new Workload();
  const crashes: Crash[] = [];
  let syncs = 0;
  vfs.onOperation = ({ at, operation, path }) => {
    // Before a sync of the log a group is half written: these moments tear it.
    const tears = operation === "datasync" && path.endsWith(".wal") && syncs++ % stride < 2;
    if (at % stride !== 0 && !tears) return;
    for (const crash of crashesOf(vfs, at)) {
      crashes.push({
        title: `${operation} ${path} (#${at}): ${crash.title}`,
        vfs: crash.vfs,
        known: workload.known(),
      });
    }
  };
  const store = await openStore("/store", { ...OPTIONS, vfs });
  await workload.run(store);
  await store.close();
  vfs.onOperation = undefined;
  return crashes;
}

/** Opens what a crash left and checks it; `goOn` also commits, snapshots and checks again. Answers torn bytes. */
async function check({ title, vfs, known }: Crash, goOn: boolean): Promise<number> {
  try {
    const store = await openStore("/store", { ...OPTIONS, vfs });
    try {
      await checkStore(store, known);
      if (goOn) await checkGoesOn(store, known);
      return store.recovery.tornBytes;
    } finally {
      await store.close();
    }
  } catch (error) {
    throw new Error(`after a crash before ${title}`, { cause: error });
  }
}

async function checkStore(store: Store, known: Known): Promise<void> {
  for (const [id, progress] of known.progress) await checkSession(store, id, progress);
  const doomed = await store.session("doomed").loadSessionMeta();
  if (known.deletion === "acknowledged") assert.equal(doomed, undefined);
  if (known.deletion === "none" && [...known.progress.values()].some(({ sent }) => sent > 0))
    assert.ok(doomed);
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
}

async function checkGoesOn(store: Store, known: Known): Promise<void> {
  for (const [id, progress] of known.progress) {
    const after = progress.copy();
    after.sent = await checkSession(store, id, progress);
    after.acknowledged = after.sent;
    // The retry of a commit in flight is safe, whether it was kept or not.
    await sendNext(store, id, after);
    await store.snapshot();
    await checkSession(store, id, after);
  }
}

test("nothing acknowledged is lost by a crash before any operation", async (t) => {
  const crashes = await crashWorkload(STRIDE);
  assert.ok(crashes.length > 100, `only ${crashes.length} crashes`);
  let torn = 0;
  for (const [index, crash] of crashes.entries()) torn += await check(crash, index % 5 === 0);
  assert.ok(torn > 0, "no crash tore a group of the log");
  t.diagnostic(`${crashes.length} crashes`);
});

test("a crash while recovering from a crash loses nothing either", async (t) => {
  const crashes = await crashWorkload(STRIDE * 9);
  let count = 0;
  for (const crash of crashes) {
    const again: Crash[] = [];
    const { vfs, known } = crash;
    let operations = 0;
    vfs.onOperation = ({ at, operation, path }) => {
      if (operations++ % RECOVERY_STRIDE !== 0) return;
      for (const left of crashesOf(vfs, at).slice(0, 3)) {
        again.push({
          title: `${crash.title}, then ${operation} ${path} (#${at}): ${left.title}`,
          vfs: left.vfs,
          known,
        });
      }
    };
    await check(crash, false);
    vfs.onOperation = undefined;
    count += again.length;
    for (const second of again) await check(second, false);
  }
  assert.ok(count > 100, `only ${count} crashes`);
  t.diagnostic(`${count} crashes of recovery`);
});

test("a store that was never closed is opened by replaying its log", async () => {
  const vfs = new MemoryVfs();
  const workload = new Workload();
  const store = await openStore("/store", { ...OPTIONS, vfs });
  await workload.run(store);
  const left = vfs.crashKeepingNothing();
  await store.close();
  const again = await openStore("/store", { ...OPTIONS, vfs: left });
  assert.equal(again.recovery.cleanClose, false);
  assert.ok(again.recovery.replayedRecords > 0);
  await checkStore(again, workload.known());
  await again.close();
});

async function killUnderLoad(
  t: TestContext,
  directory: string,
  acknowledged: Map<string, number>,
  lines: number,
) {
  const owner = new Owner(t, "load", directory);
  await owner.said(lines);
  await owner.kill();
  for (const line of owner.lines) {
    const [id, revision] = line.split(" ");
    if (id !== undefined && revision !== undefined) {
      acknowledged.set(id, Math.max(acknowledged.get(id) ?? 0, Number(revision)));
    }
  }
}

test("a process killed under load loses nothing it had acknowledged, several times over", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  const acknowledged = new Map<string, number>();
  for (const lines of [5, 200, 40, 400]) {
    await killUnderLoad(t, directory, acknowledged, lines);
    const store = await openStore(directory);
    try {
      for (const [id, revision] of acknowledged) {
        const progress = new Progress();
        progress.acknowledged = revision;
        // One commit of each session at most was in flight.
        progress.sent = revision + 1;
        await checkSession(store, id, progress);
      }
      assert.deepEqual(await store.verify(), { ok: true, problems: [] });
    } finally {
      await store.close();
    }
  }
});
