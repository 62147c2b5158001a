/**
 * The pool: the same tasks on a thread and in this process, errors that keep their fields, and nothing left
 * behind, whether a pool is idle, closed, or its worker is killed at work.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { NO_OLDER } from "../../src/snapshot/head-state.ts";
import type { Manifest } from "../../src/snapshot/manifest.ts";
import { createWorkPool, type WorkPool } from "../../src/snapshot/pool.ts";
import type { FoldInput } from "../../src/snapshot/tasks.ts";
import { SnapshotView } from "../../src/snapshot/view.ts";
import { diskVfs } from "../../src/vfs/disk.ts";
import { noise } from "../support/builders.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { copyOut } from "./copy-out.ts";
import { append, blobRecord, commitRecord, node, ROOT, SnapshotFixture } from "./fixture.ts";

/** A store whose log was rolled and waits to be folded. */
interface Waiting {
  readonly root: string;
  readonly input: FoldInput;
  readonly manifest: Manifest;
}

async function waiting(t: TestContext, fixture: SnapshotFixture): Promise<Waiting> {
  const until = await fixture.roll();
  const root = temporaryDirectory(t);
  copyOut(fixture.vfs, ROOT, root);
  return { root, input: inputOf(root, fixture.manifest, until), manifest: fixture.manifest };
}

function inputOf(root: string, manifest: Manifest, until: FoldInput["until"]): FoldInput {
  return { root, manifest, until, receiptsKept: 10, compression: "balanced", packsLeftAlone: [] };
}

function poolFor(t: TestContext, pool: WorkPool): WorkPool {
  t.after(() => pool.close());
  return pool;
}

async function fixtureWithCommits(): Promise<SnapshotFixture> {
  const fixture = await SnapshotFixture.create();
  const tools = blobRecord({ tools: { a: 1 } }, "toolState");
  fixture.append(tools);
  fixture.commit("a", { toolStateRef: tools.ref, graph: append(node("1"), node("2", "1")) });
  fixture.commit("b");
  return fixture;
}

test("on threads a store is folded, published, marked, swept, merged, checked and cleaned", async (t) => {
  const fixture = await fixtureWithCommits();
  fixture.commit("b");
  const { root, input, manifest } = await waiting(t, fixture);
  const pool = poolFor(t, createWorkPool(diskVfs, 2));
  const folded = await pool.run("fold", input);
  const { newFiles, ...content } = folded.edit;
  let current: Manifest = { ...content, number: 2, storeId: manifest.storeId };
  assert.deepEqual(await pool.run("publish", { root, manifest: current, newFiles }), { ok: true });
  assert.deepEqual(await pool.run("check", { root, manifest: current }), []);
  const view = SnapshotView.open(diskVfs, root, current);
  assert.equal(view.loadState("a", NO_OLDER)?.length, 2);
  view.release();
  const marks = await pool.run("mark", { root, manifest: current });
  assert.equal(marks.rootCount, 2);
  const swept = await pool.run("sweep", {
    root,
    manifest: current,
    packs: marks.slices.flat(),
    live: marks.live,
    used: new Uint8Array(),
  });
  assert.equal(swept.deletedBlobCount, 1);
  const { newFiles: sweptFiles, ...sweptContent } = swept.edit;
  current = { ...sweptContent, number: 3, storeId: manifest.storeId };
  await pool.run("publish", { root, manifest: current, newFiles: sweptFiles });
  const merged = await pool.run("mergeHeads", { root, manifest: current });
  await pool.run("remove", {
    paths: [...merged.newFiles.map((file) => file.temporary), `${root}/heads/none`],
  });
  assert.deepEqual(await pool.run("check", { root, manifest: current }), []);
  assert.ok(!readdirSync(join(root, "heads")).some((name) => name.endsWith(".tmp")));
});

const skip = process.platform !== "linux" && "only Linux gives each thread a priority";

test("a thread of the pool gives way to the threads that commits wait for", { skip }, async (t) => {
  const before = niceOfThreads();
  const { root, manifest } = await waiting(t, await fixtureWithCommits());
  const pool = poolFor(t, createWorkPool(diskVfs, 1));
  await pool.run("check", { root, manifest });
  const started = [...niceOfThreads()].filter(([thread]) => !before.has(thread)).map(([, nice]) => nice);
  const own = before.get(String(process.pid)) ?? 0;
  assert.deepEqual(
    started.filter((nice) => nice > own),
    [Math.max(own, 5)].filter((nice) => nice > own),
  );
  assert.equal(niceOfThreads().get(String(process.pid)), own);
});

/** Priority of each thread of this process: field 19 of its `stat`. */
function niceOfThreads(): Map<string, number> {
  const nice = new Map<string, number>();
  for (const thread of readdirSync("/proc/self/task")) {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
    nice.set(thread, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]));
  }
  return nice;
}

test("an error of a task crosses from its thread with code, fields and message", async (t) => {
  const fixture = await fixtureWithCommits();
  const { root, manifest } = await waiting(t, fixture);
  // The real log is of another fixture: a commit that does not follow, and where it lies.
  const broken = await SnapshotFixture.create();
  broken.commit("a");
  broken.appendRaw(commitRecord("a", 7));
  const until = await broken.roll();
  const other = temporaryDirectory(t);
  copyOut(broken.vfs, ROOT, other);
  const pool = poolFor(t, createWorkPool(diskVfs, 1));
  await assert.rejects(pool.run("fold", inputOf(other, broken.manifest, until)), (error) => {
    assert.ok(isStoreError(error, "CORRUPT"), String(error));
    assert.ok(error.file.startsWith(`${other}/wal/`));
    assert.ok((error.offset ?? 0) > 4096);
    assert.equal(error.sessionId, "a");
    assert.match(error.message, /revision 7 does not follow 1/);
    return true;
  });
  const gone = { ...manifest, packs: [{ number: 99, bytes: 1, count: 1 }] };
  await assert.rejects(
    pool.run("mark", { root, manifest: gone }),
    (error) => isStoreError(error, "CORRUPT") && error.file.endsWith("000099.pack"),
  );
  await assert.rejects(
    pool.run("remove", { paths: [`${root}/heads`] }),
    (error) => isStoreError(error, "STORE_IO") && error.path === `${root}/heads`,
  );
});

test("a memory store's tasks run in this process, after the caller's turn", async () => {
  const fixture = await fixtureWithCommits();
  const until = await fixture.roll();
  const pool = createWorkPool(fixture.vfs, 1);
  const run = pool.run("fold", inputOf(ROOT, fixture.manifest, until));
  assert.deepEqual(fixture.vfs.list(`${ROOT}/blobs`), [], "nothing of it happened yet");
  assert.equal((await run).sessions, 2);
  await pool.close();
});

test("a closed pool takes no work, on threads and in memory, and closes again without harm", async () => {
  const fixture = await SnapshotFixture.create();
  for (const vfs of [diskVfs, fixture.vfs]) {
    const pool = createWorkPool(vfs, 1);
    await pool.close();
    await assert.rejects(pool.run("remove", { paths: [] }), (error) => isStoreError(error, "STORE_CLOSED"));
    await pool.close();
  }
});

test("a worker killed at work leaves only temporary files, and the next fold is whole", async (t) => {
  const fixture = await SnapshotFixture.create();
  for (let index = 0; index < 200; index++) {
    fixture.commit(`s${index}`, { graph: append({ ...node("1"), body: noise(20_000, index) }) });
  }
  const { root, input, manifest } = await waiting(t, fixture);
  const names = (): string[] => ["heads", "blobs", "."].flatMap((folder) => readdirSync(join(root, folder)));
  const before = new Set(names());
  const pool = createWorkPool(diskVfs, 1);
  const killed = pool.run("fold", input).catch((error: unknown) => error);
  while (names().every((name) => before.has(name))) await new Promise((resolve) => setImmediate(resolve));
  await pool.close();
  await killed;
  for (const name of names()) assert.ok(before.has(name) || name.endsWith(".tmp"), name);

  const second = poolFor(t, createWorkPool(diskVfs, 1));
  const { edit } = await second.run("fold", input);
  const { newFiles, ...content } = edit;
  const next: Manifest = { ...content, number: 2, storeId: manifest.storeId };
  assert.deepEqual(await second.run("publish", { root, manifest: next, newFiles }), { ok: true });
  assert.deepEqual(await second.run("check", { root, manifest: next }), []);
});

/** A program that uses a pool and then has nothing more to do. */
const PROGRAM = `
import { createWorkPool } from "./src/snapshot/pool.ts";
import { diskVfs } from "./src/vfs/disk.ts";
const pool = createWorkPool(diskVfs, 2);
await Promise.all([pool.run("remove", { paths: [] }), pool.run("remove", { paths: [] })]);
if (process.argv.includes("close")) await pool.close();
process.on("exit", () => console.log("ended by itself"));
`;

for (const end of ["idle", "close"]) {
  test(`a pool that is left ${end === "idle" ? "idle" : "closed"} does not keep the process alive`, () => {
    const flags = ["--import", "tsx", "--input-type=module", "--eval", PROGRAM, end];
    const child = spawnSync(process.execPath, flags, { encoding: "utf8", timeout: 60_000 });
    assert.equal(child.stdout.trim(), "ended by itself", child.stderr);
    assert.equal(child.status, 0);
  });
}
