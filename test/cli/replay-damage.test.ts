/** `varve replay` over data that somebody altered: it says what and where, and exits 1. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../src/index.ts";
import {
  alterByteOf,
  alterMiddleOfLargest,
  CHECK,
  record,
  run,
  SMALL,
  temporaryDirectory,
} from "./run-varve.ts";

test("one altered byte of the log is named with its file and exits 1", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  const file = await alterByteOf(directory, "wal", "replay-0003/7");
  const { code, stdout } = await run(t, "replay", ...CHECK, "--dir", directory);
  assert.equal(code, 1, stdout);
  assert.ok(stdout.includes(file), `${file} is named in:\n${stdout}`);
  assert.match(stdout, /^problem {4}.*CORRUPT/m);
});

test("one altered byte of a pack is named with its file and exits 1", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  const store = await openStore(directory);
  await store.snapshot();
  await store.close();
  const file = await alterMiddleOfLargest(directory, "blobs");
  const { code, stdout } = await run(t, "replay", ...CHECK, "--dir", directory);
  assert.equal(code, 1, stdout);
  assert.ok(stdout.includes(file), `${file} is named in:\n${stdout}`);
});

test("one altered node is named with its session and exits 1", async (t) => {
  const directory = await temporaryDirectory(t);
  await record(...SMALL, "--dir", directory);
  const store = await openStore(directory);
  const session = store.session("replay-0003");
  const read = await session.loadSession();
  assert.ok(read !== undefined);
  const nodes = read.graph.nodes.map((node, index) =>
    index === 4 ? { ...node, timestamp: "altered" } : node,
  );
  const { config, checkpoint, sessionId } = read;
  const graph = { kind: "replaceFull" as const, graph: { ...read.graph, nodes } };
  await session.commitRuntimeState({ sessionId, config, graph, checkpoint, usageDeltas: [] });
  await store.close();
  const { code, stdout } = await run(t, "replay", ...CHECK, "--dir", directory);
  assert.equal(code, 1, stdout);
  const altered = read.graph.nodes[4]?.nodeId ?? "";
  assert.ok(stdout.includes(`replay-0003: node ${altered}: timestamp is "altered" but `), stdout);
});
