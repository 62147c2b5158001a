/**
 * Tasks that are stopped: at any of their reads and writes they fail with ABORTED and leave no file, on a thread as well;
 * what they read is counted for whoever watches.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/clock.ts";
import { isStoreError } from "../../src/errors.ts";
import { mark, sweep } from "../../src/snapshot/collect.ts";
import { fold } from "../../src/snapshot/fold.ts";
import { mergeHeads } from "../../src/snapshot/merge-heads.ts";
import { createWorkPool } from "../../src/snapshot/pool.ts";
import { controlledVfs, TaskControl } from "../../src/snapshot/task-control.ts";
import { diskVfs } from "../../src/vfs/disk.ts";
import type { OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { ForwardingVfs, forwardFile } from "../support/forwarding-vfs.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { copyOut } from "./copy-out.ts";
import { append, blobRecord, commitRecord, node, ROOT, SnapshotFixture } from "./fixture.ts";

/** Two heads files, packs with dead values, and a log to be folded. */
async function everything(): Promise<{
  fixture: SnapshotFixture;
  tasks: Record<string, (vfs: Vfs) => unknown>;
}> {
  const fixture = await SnapshotFixture.create();
  for (let turn = 0; turn < 3; turn++) {
    const tools = blobRecord({ tools: { turn } }, "toolState");
    fixture.append(tools);
    for (const id of turn === 0 ? ["a", "b", "c", "d", "e"] : ["a"])
      fixture.commit(id, { toolStateRef: tools.ref, graph: append(node(`${id}${turn}`)) });
    if (turn < 2) await fixture.snapshot();
  }
  const { manifest } = fixture;
  assert.ok(manifest.heads.length === 2 && manifest.packs.length === 2);
  const until = await fixture.roll();
  const given = { root: ROOT, manifest };
  const marks = mark(fixture.vfs, given);
  const packs = marks.slices.flat();
  assert.ok(packs.length > 0);
  const tasks: Record<string, (vfs: Vfs) => unknown> = {
    fold: (vfs) =>
      fold(vfs, { ...given, until, receiptsKept: 10, compression: "balanced", packsLeftAlone: [] }),
    mark: (vfs) => mark(vfs, given),
    sweep: (vfs) => sweep(vfs, { ...given, packs, live: marks.live, used: new Uint8Array() }),
    merge: (vfs) => mergeHeads(vfs, given),
  };
  return { fixture, tasks };
}

/** Tells of every read, with its bytes, and of every write. */
class Watched extends ForwardingVfs {
  readonly #saw: (readBytes: number) => void;

  constructor(inner: Vfs, saw: (readBytes: number) => void) {
    super(inner);
    this.#saw = saw;
  }

  override open(path: string, mode: OpenMode): VfsFile {
    const file = super.open(path, mode);
    return forwardFile(file, {
      read: (target, position) => {
        const length = file.read(target, position);
        this.#saw(length);
        return length;
      },
      write: (parts, position) => {
        file.write(parts, position);
        this.#saw(0);
      },
    });
  }
}

function filesOf(vfs: Vfs): string[] {
  return [...vfs.list(`${ROOT}/heads`), ...vfs.list(`${ROOT}/blobs`)];
}

for (const name of ["fold", "mark", "sweep", "merge"]) {
  test(`a ${name} that is stopped at any read or write leaves no file, and can be done again`, async () => {
    const { fixture, tasks } = await everything();
    const { vfs } = fixture;
    const task = tasks[name];
    assert.ok(task !== undefined);
    const before = filesOf(vfs);
    let stopped = 0;
    for (let moment = 0; ; moment++) {
      const control = new TaskControl();
      let at = 0;
      const watched = new Watched(vfs, () => {
        if (at++ === moment) control.stop();
      });
      let failure: unknown;
      try {
        task(controlledVfs(watched, control.words));
      } catch (error) {
        failure = error;
      }
      if (failure === undefined) break;
      assert.ok(isStoreError(failure, "ABORTED"), String(failure));
      assert.deepEqual(filesOf(vfs), before, `stopped at ${moment}`);
      stopped++;
    }
    assert.ok(stopped > 4, `stopped ${stopped} times`);
    await fixture.close();
  });
}

test("what a task has read is counted, and nothing is lost to rounding", async () => {
  const { fixture, tasks } = await everything();
  const control = new TaskControl();
  let bytes = 0;
  const counting = new Watched(fixture.vfs, (read) => {
    bytes += read;
  });
  tasks.merge?.(controlledVfs(counting, control.words));
  assert.ok(bytes > 1024 && bytes - control.readBytes < 1024, `${control.readBytes} of ${bytes}`);
  await fixture.close();
});

test("a task on a thread stops by its signal with nothing left, and tells how far it is while it goes on", async (t) => {
  const fixture = await SnapshotFixture.create();
  // Values that are written for some time, because workers keep to a pace.
  for (let turn = 0; turn < 40; turn++) {
    const values = blobRecord({ tools: { turn, fill: Buffer.alloc(40_000, turn) } }, "toolState");
    fixture.append(values, commitRecord("a", turn + 1, { toolStateRef: values.ref }));
  }
  const until = await fixture.roll();
  const root = temporaryDirectory(t);
  copyOut(fixture.vfs, ROOT, root);
  const input = { root, manifest: fixture.manifest, until, receiptsKept: 10, packsLeftAlone: [] } as const;
  // A second is long here.
  const clock: Clock = { ...systemClock, setTimeout: (fn) => setTimeout(fn, 1) };
  const pool = createWorkPool(diskVfs, 1, clock);
  t.after(() => pool.close());
  const refused = pool.run("fold", { ...input, compression: "none" }, { signal: AbortSignal.abort() });
  await assert.rejects(refused, (error) => isStoreError(error, "ABORTED"));
  assert.deepEqual(readdirSync(join(root, "blobs")), []);
  const seen: number[] = [];
  const folded = await pool.run(
    "fold",
    { ...input, compression: "none" },
    { onProgress: (bytes) => seen.push(bytes) },
  );
  assert.equal(folded.sessions, 1);
  assert.ok(seen.length > 0 && seen.at(-1) === Math.max(...seen), `${seen}`);
  assert.ok((seen.at(-1) ?? 0) >= folded.foldedBytes, `${seen.at(-1)} of ${folded.foldedBytes} bytes read`);
});
