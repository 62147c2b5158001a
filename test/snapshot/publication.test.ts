/**
 * A publication cut or refused at every operation of a fold and its publication. After a power cut the newest
 * manifest that verifies is the old or the new one, and every file it names is whole. A disk that fails
 * before the manifest's rename costs the job alone; a directory that could not be synced, or anything from
 * the rename on, poisons; no file or directory is synced again that failed to sync.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { checkSnapshot } from "../../src/snapshot/check.ts";
import { fold } from "../../src/snapshot/fold.ts";
import { NO_OLDER } from "../../src/snapshot/head-state.ts";
import { type Manifest, manifestNumber, manifestPath, readManifest } from "../../src/snapshot/manifest.ts";
import { publish } from "../../src/snapshot/publish.ts";
import type { FoldInput, PublishOutput } from "../../src/snapshot/tasks.ts";
import { SnapshotView } from "../../src/snapshot/view.ts";
import { type FaultErrno, type FaultyVfs, withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { append, blobRecord, node, observable, ROOT, SnapshotFixture, STORE_ID } from "./fixture.ts";

const SESSIONS = ["a", "b"];
/** A fold and its publication have fewer operations. */
const MOST_OPERATIONS = 400;

/** A published snapshot, and records behind it that the next fold takes. */
class Bench {
  readonly fixture: SnapshotFixture;
  readonly old: Manifest;
  readonly input: FoldInput;
  /** What each session is after the old and the new manifest. */
  readonly states: readonly [object, object];

  private constructor(
    fixture: SnapshotFixture,
    old: Manifest,
    input: FoldInput,
    states: readonly [object, object],
  ) {
    this.fixture = fixture;
    this.old = old;
    this.input = input;
    this.states = states;
  }

  static async make(t: TestContext): Promise<Bench> {
    const fixture = await SnapshotFixture.create({ vfs: new MemoryVfs() });
    t.after(() => fixture.close());
    const write = (turn: string): void => {
      for (const id of SESSIONS) {
        const blob = blobRecord({ turn, id }, "toolState");
        fixture.append(blob);
        fixture.commit(id, { graph: append(node(`${id}${turn}`)), toolStateRef: blob.ref });
      }
    };
    write("1");
    await fixture.snapshot();
    const before = statesOf(fixture);
    write("2");
    const old = fixture.manifest;
    // The roll belongs to the log; what follows is the worker's.
    const { edit } = await fixture.fold();
    for (const { temporary } of edit.newFiles) fixture.vfs.remove(temporary);
    for (const directory of ["heads", "blobs"]) fixture.vfs.syncDirectory(`${ROOT}/${directory}`);
    const input: FoldInput = {
      root: ROOT,
      manifest: old,
      until: edit.log,
      receiptsKept: 1000,
      compression: "balanced",
      packsLeftAlone: [],
    };
    return new Bench(fixture, old, input, [before, statesOf(fixture)]);
  }

  /** Folds and publishes on this file system. */
  run(vfs: Vfs): PublishOutput {
    const { edit } = fold(vfs, this.input);
    const { newFiles, ...content } = edit;
    return publish(vfs, {
      root: ROOT,
      manifest: { ...content, number: this.old.number + 1, storeId: STORE_ID },
      newFiles,
    });
  }

  /** The newest manifest that verifies is the old or the new one, and whole. Answers its number. */
  check(vfs: MemoryVfs): number {
    const manifest = newestManifest(vfs);
    const generation = manifest.number - this.old.number;
    assert.ok(generation === 0 || generation === 1, `manifest ${manifest.number} counts`);
    const view = SnapshotView.open(vfs, ROOT, manifest);
    try {
      const found = SESSIONS.map((id) =>
        view.loadState(id, { ...NO_OLDER, receiptsKept: 1000, olderReceipts: () => view.receipts(id) }),
      );
      assert.deepEqual(
        found.map((state) => state && observable(state)),
        this.states[generation],
      );
    } finally {
      view.release();
    }
    assert.deepEqual(checkSnapshot(vfs, { root: ROOT, manifest }), []);
    return manifest.number;
  }
}

function statesOf(fixture: SnapshotFixture): object {
  return SESSIONS.map((id) => observable(fixture.state(id)));
}

function newestManifest(vfs: Vfs): Manifest {
  const numbers = vfs.list(ROOT).map(manifestNumber);
  for (const number of numbers.filter((one) => one !== undefined).sort((a, b) => b - a)) {
    try {
      return readManifest(vfs, ROOT, number, STORE_ID);
    } catch (error) {
      assert.ok(isStoreError(error, "CORRUPT"), String(error));
    }
  }
  return assert.fail("no manifest verifies");
}

/** Names in the store's directories that neither manifest has. */
function leftovers(vfs: Vfs, manifests: readonly Manifest[]): string[] {
  const named = manifests.flatMap(({ number, heads, packs }) => [
    manifestPath("", number).slice(1),
    ...heads.map((file) => `${String(file.number).padStart(6, "0")}.heads`),
    ...packs.map((file) => `${String(file.number).padStart(6, "0")}.pack`),
  ]);
  const isOld = (name: string): boolean => /^(wal|heads|blobs|manifest-000001)$/.test(name);
  return [ROOT, `${ROOT}/heads`, `${ROOT}/blobs`]
    .flatMap((directory) => vfs.list(directory))
    .filter((name) => !named.includes(name) && !isOld(name));
}

test("a power cut at any operation of a fold and its publication leaves the old or the new manifest, whole", async (t) => {
  const bench = await Bench.make(t);
  const { vfs } = bench.fixture;
  const counts = new Map<number, number>();
  let cuts = 0;
  const cut = (): void => {
    for (const crash of vfs.crashes()) {
      try {
        const number = bench.check(crash.vfs);
        counts.set(number, (counts.get(number) ?? 0) + 1);
      } catch (cause) {
        throw new Error(crash.title, { cause });
      }
    }
    cuts++;
  };
  vfs.onOperation = cut;
  assert.deepEqual(bench.run(vfs), { ok: true });
  vfs.onOperation = undefined;
  for (const crash of vfs.crashes()) {
    assert.equal(bench.check(crash.vfs), bench.old.number + 1, `published, then ${crash.title}`);
  }
  assert.ok(cuts > 12, `${cuts} operations`);
  assert.deepEqual([...counts.keys()].sort(), [bench.old.number, bench.old.number + 1]);
});

/** Runs with the nth operation failing; answers what happened, or undefined when there is no such operation. */
async function runFailing(t: TestContext, nth: number, errno: FaultErrno) {
  const bench = await Bench.make(t);
  const vfs = withFaults(bench.fixture.vfs, [{ operation: "any", errno, nth }]);
  let outcome: PublishOutput | undefined;
  try {
    outcome = bench.run(vfs);
  } catch (error) {
    assert.ok(isStoreError(error, "STORE_IO"), String(error));
    assert.equal(error.errno, errno);
  }
  const fired = vfs.fired[0];
  return fired === undefined ? undefined : { bench, vfs, fired, outcome };
}

/** Whether from this operation on nobody knows what a crash would leave. */
function mustPoison(operation: string, path: string): boolean {
  return operation === "syncDirectory" || (operation === "rename" && /manifest-/.test(path));
}

function goesOn(bench: Bench, vfs: FaultyVfs): void {
  assert.deepEqual(leftovers(bench.fixture.vfs, [bench.old]), []);
  assert.equal(bench.check(bench.fixture.vfs), bench.old.number);
  assert.deepEqual(bench.run(vfs), { ok: true });
  assert.equal(bench.check(bench.fixture.vfs.crashKeepingNothing()), bench.old.number + 1);
}

for (const errno of ["EIO", "ENOSPC"] as const) {
  test(`${errno} of any operation before the manifest's rename costs the job alone and leaves no file of it`, async (t) => {
    let failed = 0;
    for (let nth = 1; nth <= MOST_OPERATIONS; nth++) {
      const run = await runFailing(t, nth, errno);
      if (run === undefined) break;
      const { bench, vfs, fired, outcome } = run;
      const told = `${fired.operation} of ${fired.path} (#${nth})`;
      try {
        if (mustPoison(fired.operation, fired.path)) continue;
        // Closing what was only read may fail unheard; everything else is told.
        if (outcome?.ok !== true) {
          if (outcome !== undefined) assert.equal(outcome.poison, false);
          goesOn(bench, vfs);
          failed++;
        }
        assert.deepEqual(vfs.syncsAfterFailure(), []);
      } catch (cause) {
        throw new Error(told, { cause });
      }
    }
    assert.ok(failed > 20, `${failed} operations failed`);
  });

  test(`${errno} of a directory sync, or from the manifest's rename on, poisons, and either manifest is whole`, async (t) => {
    const poisoned: string[] = [];
    for (let nth = 1; nth <= MOST_OPERATIONS; nth++) {
      const run = await runFailing(t, nth, errno);
      if (run === undefined) break;
      const { bench, fired, outcome } = run;
      if (!mustPoison(fired.operation, fired.path)) continue;
      const told = `${fired.operation} of ${fired.path} (#${nth})`;
      assert.equal(outcome?.ok === false && outcome.poison, true, told);
      assert.deepEqual(outcome?.ok === false && [outcome.errno, outcome.path], [errno, fired.path], told);
      bench.check(bench.fixture.vfs.crashKeepingNothing());
      bench.check(bench.fixture.vfs.crashKeepingEverything());
      poisoned.push(`${fired.operation} ${fired.path}`);
    }
    const number = String(3).padStart(6, "0");
    assert.deepEqual(poisoned, [
      `syncDirectory ${ROOT}/heads`,
      `syncDirectory ${ROOT}/blobs`,
      `rename ${ROOT}/manifest-${number}.tmp`,
      `syncDirectory ${ROOT}`,
    ]);
  });
}
