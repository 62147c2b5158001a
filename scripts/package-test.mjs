// Tests the package as its users get it: packs it, installs the tarball with npm into an empty folder, and
// uses it from plain JavaScript, by import and by require, and through its command. On the running node, or
// with `--nodes 20,22,24` on each of these, taken from the registry by npx.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const at = process.argv.indexOf("--nodes");
const nodes = at === -1 ? [undefined] : process.argv[at + 1].split(",");

/** The life of a store as a user lives it; `load` answers the package. */
const USE = `
async function use(varve, directory) {
  const assert = require("node:assert/strict");
  const commit = (turn) => ({
    sessionId: "root",
    expectedHeadRevision: turn,
    config: { providerId: "p", configuredModel: "m", contextWindow: 0, executionMode: "standard" },
    graph: {
      kind: "append",
      nodes: [{ nodeId: "n" + turn, timestamp: "t", kind: "event", event: { turn, big: 2n ** 60n, bytes: new Uint8Array([turn]) } }],
      leafNodeId: "n" + turn,
    },
    checkpoint: {
      turnState: { turnIndex: turn, tokenUsage: { inputTokens: turn }, modeTurnOptions: { modeId: "standard", payload: {} } },
      toolState: { generation: turn, tools: {} },
      executionState: new Uint8Array(10_000).fill(turn),
    },
    usageDeltas: [{ source: "turn", model: "m", usage: { inputTokens: 1 } }],
  });
  const store = await varve.openStore(directory);
  const session = store.session("root");
  for (let turn = 0; turn < 20; turn++) assert.equal((await session.commitRuntimeState(commit(turn))).headRevision, turn + 1);
  await assert.rejects(varve.openStore(directory), (error) => varve.isStoreError(error, "STORE_LOCKED") && error.message.includes(String(process.pid)));
  await store.snapshot();
  const report = await store.gc();
  // One head: its manifest, tool state and execution state stay of twenty of each.
  assert.deepEqual(report, { rootCount: 1, retainedBlobCount: 3, deletedBlobCount: 57 });
  await session.commitRuntimeState(commit(20));
  await store.close();
  const again = await varve.openStore(directory);
  const read = await again.session("root").loadSession();
  assert.equal(read.headRevision, 21);
  assert.equal(read.graph.nodes.length, 21);
  assert.deepEqual(read.graph.nodes[20].event, { turn: 20, big: 2n ** 60n, bytes: new Uint8Array([20]) });
  assert.deepEqual(read.checkpoint.executionState, new Uint8Array(10_000).fill(20));
  assert.deepEqual(await again.verify(), { ok: true, problems: [] });
  const view = await varve.openStoreReadOnly(directory);
  assert.equal((await view.session("root").loadSession()).headRevision, 21);
  await view.close();
  await again.close();
}
`;

/** The door for tests: a power cut on files in memory, which reach nothing of the real file system. */
const CRASH = `
import assert from "node:assert/strict";
import { openStore } from "varve";
import { exploreCrashes, Fault, MemoryVfs, withFaults } from "varve/testing";
const meta = (sessionName) => ({ sessionId: "root", sessionName, createdAt: "t", model: "m" });
const vfs = new MemoryVfs();
const store = await openStore("/store", { vfs });
await store.session("root").saveSessionMeta(meta("acknowledged"));
const unanswered = store.session("root").saveSessionMeta(meta("in flight"));
const left = vfs.crashKeepingNothing();
await unanswered;
await store.close();
const recovered = await openStore("/store", { vfs: left });
assert.equal((await recovered.session("root").loadSessionMeta()).sessionName, "acknowledged");
await recovered.close();
const fault = new Fault({ operation: "datasync", path: /.wal$/, errno: "EIO" });
assert.equal(String(fault), "datasync(/\\.wal$/) #1 EIO");
const faulty = withFaults(vfs, [fault]);
await assert.rejects(openStore("/store", { vfs: faulty }), { code: "STORE_IO" });
assert.equal(faulty.fired.length, 1);

/** A host that tells its user before the store has answered; it is found in no time. */
const hostOf = (tellsEarly) => () => {
  let told = false;
  const names = async (vfs) => {
    const store = await openStore("/store", { vfs, segmentBytes: 65536, snapshot: false, gc: false });
    const session = store.session("root");
    return { store, session };
  };
  return {
    known: () => told,
    async run(vfs) {
      const { store, session } = await names(vfs);
      const saving = session.saveSessionMeta(meta("mine"));
      if (tellsEarly) told = true;
      await saving;
      told = true;
      await store.close();
    },
    async check({ vfs, known }) {
      const { store, session } = await names(vfs);
      const found = await session.loadSessionMeta();
      await store.close();
      if (known) assert.equal(found?.sessionName, "mine");
    },
  };
};
const bad = await exploreCrashes(hostOf(true), { seed: 1, states: 1000, workloads: 1, depth: 1 });
assert.notEqual(bad.failure, undefined);
const good = await exploreCrashes(hostOf(false), { seed: 1, states: 1000, workloads: 1, depth: 1 });
assert.equal(good.failure, undefined);
assert.ok(good.states > 200, String(good.states));
`;

/** The laws of the contract, declared by a user for a store, on node's own runner. */
const LAWS = `
import { openMemoryStore } from "varve";
import { conformance } from "varve/testing";
const factory = { open: openMemoryStore, reopen: (store) => Promise.resolve(store), discard: (store) => store.close() };
conformance("a store", factory, { reopen: false, recheck: "everyWay", histories: 0 }, ["load", "commit", "errors"]);
`;

const PROGRAMS = {
  "crash.mjs": CRASH,
  "laws.mjs": LAWS,
  "import.mjs": `
import { createRequire } from "node:module";
import * as varve from "varve";
const require = createRequire(import.meta.url);
${USE}
await use(varve, process.argv[2]);
`,
  "require.cjs": `
${USE}
let varve;
try {
  varve = require("varve");
} catch (error) {
  // Node before 20.19 and 22.12 cannot require ES modules; anywhere else this is our failure.
  if (error.code !== "ERR_REQUIRE_ESM") throw error;
  console.log("  this node has no require of ES modules");
}
if (varve !== undefined) use(varve, process.argv[2]).catch((error) => { console.error(error); process.exitCode = 1; });
`,
};

const folder = mkdtempSync(join(tmpdir(), "varve-package-"));
try {
  run("npm", ["pack", "--silent", "--pack-destination", folder], process.cwd());
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  const user = join(folder, "user");
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), JSON.stringify({ name: "user", private: true }));
  run("npm", ["install", "--silent", "--no-audit", "--no-fund", resolve(folder, tarball)], user);
  for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(user, name), text);
  for (const node of nodes) tryOn(node, user);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function tryOn(node, user) {
  const started = Date.now();
  const on = (args) =>
    node === undefined ? [process.execPath, args] : ["npx", ["-y", "-p", `node@${node}`, "node", ...args]];
  const version = run(...on(["--version"]), user, "pipe").trim();
  for (const name of Object.keys(PROGRAMS)) {
    run(...on([name, join(user, `store-${node ?? "here"}-${name}`)]), user);
  }
  const command = join("node_modules", "varve", "dist", "cli", "main.js");
  run(...on([command, "--version"]), user, "pipe");
  const played = `played-${node ?? "here"}`;
  run(...on([command, "replay", "--sessions", "2", "--commits", "60", "--dir", played]), user, "pipe");
  for (const args of [["info"], ["ls"], ["log"], ["verify", "--deep"], ["repair", "--dry-run"]])
    run(...on([command, args[0], played, ...args.slice(1)]), user, "pipe");
  run(...on([command, "bench", "one-commit", "history-length", "--small", "--rounds", "1"]), user, "pipe");
  const asked = [["--help"], ["info", played], ["ls", played], ["verify", played]];
  if (node === undefined)
    for (const args of asked) run(join("node_modules", ".bin", "varve"), args, user, "pipe");
  console.log(`package: ${version} imports, requires and runs it (${Date.now() - started} ms)`);
}

/** Runs to success or throws with everything that was said. */
function run(command, args, cwd, stdout = "inherit") {
  const done = spawnSync(command, args, { cwd, stdio: ["ignore", stdout, "inherit"], encoding: "utf8" });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0)
    throw new Error(
      `${command} ${args.join(" ")} ended with ${done.status ?? done.signal}\n${done.stdout ?? ""}`,
    );
  return done.stdout ?? "";
}
