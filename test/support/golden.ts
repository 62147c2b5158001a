/**
 * The golden stores: stores that a released version of the format wrote, kept for ever under
 * `test/fixtures/golden-<version>/`, every file gzipped (segments are mostly zeros). Here is what was sent to
 * them, how they are unpacked, and how their expected contents, which are JSON with tags for what JSON cannot
 * say, are read. Nothing here uses the store's own encodings.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Store } from "../../src/contract.ts";
import type { Json, RuntimeCommit, SessionNodeRecord } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { writeNew } from "../../src/vfs/vfs.ts";
import {
  append,
  checkpoint,
  commit,
  config,
  ledgerEntry,
  messageNode,
  meta,
  pluginNode,
  replaceFull,
  toolState,
  turnState,
  unchanged,
  usage,
} from "./builders.ts";

export const GOLDEN = "test/fixtures/golden-1";
export const GOLDEN_STORES = ["closed", "crashed", "folded", "large"] as const;
export type GoldenStore = (typeof GOLDEN_STORES)[number];
export const GOLDEN_OPTIONS = { segmentBytes: 64 * 1024, snapshot: false, gc: false } as const;

/** Values that JSON, msgpack or JavaScript could get wrong. */
const ODD: Json = {
  b: 1,
  a: [null, true, false, 0, -1, 1.5, 1e300, 4_294_967_296, "é😀", ""],
  big: 9_223_372_036_854_775_807n,
  small: -9_223_372_036_854_775_808n,
  bytes: Uint8Array.of(0, 1, 255),
  lone: "\ud800 and \udc00",
  $v: ["s", "not an escape"],
  ["__proto__"]: { "lone \udfff key": {} },
  "10": "keys that look like numbers",
};

/** The first commit of `root`; sent again, it is answered from its receipt. */
export function firstCommit(): RuntimeCommit {
  return commit({
    sessionId: "root",
    expectedHeadRevision: 0,
    operationId: "op-1",
    config: config({
      standardContextApproach: { kind: "rolling_history" },
      modelVariant: "high",
    }),
    graph: append(
      [messageNode("m1"), messageNode("m2", "m1", "an answer", "Assistant"), odd("p1", "m2")],
      "m2",
    ),
    checkpoint: checkpoint({
      turnState: turnState({
        lastPromptUsage: {
          promptContextTokens: 1,
          inputTokens: 2,
          cachedInputTokens: 3,
          contextBudgetTokens: 4,
        },
        modeTurnOptions: { modeId: "plan", payload: ODD },
      }),
      toolState: toolState(3, "tools"),
      pluginSnapshot: { plugins: { memo: ODD } },
      pluginSnapshotRevision: 18_446_744_073_709_551_615n,
      executionState: Uint8Array.of(1, 2, 3),
    }),
    usageDeltas: [ledgerEntry("turn", "m", usage(1, 2, 3, 4)), ledgerEntry("tool", "n", usage(5))],
  });
}

function odd(nodeId: string, parent: string): SessionNodeRecord {
  return pluginNode(nodeId, parent, ODD);
}

/** What every golden store is sent first. */
export async function sendCommon(store: Store): Promise<void> {
  const root = store.session("root");
  await root.saveSessionMeta(meta("root", { cwd: "/work", sessionName: "lone \ud800" }));
  const first = await root.commitRuntimeState(firstCommit());
  const { toolStateRef } = first.manifest;
  await root.commitRuntimeState(
    commit({
      expectedHeadRevision: 1,
      operationId: "op-2",
      graph: unchanged("m1"),
      checkpoint: checkpoint({ ...(toolStateRef === undefined ? {} : { toolStateRef }) }),
      usageDeltas: [ledgerEntry("turn", "m", usage(10))],
    }),
  );
  await store.session("odd").commitRuntimeState({ ...firstCommit(), sessionId: "odd" });
  await store.session("only-meta").saveSessionMeta(meta("only-meta", { parentSessionId: "root" }));
  const hidden = store.session("hidden");
  const nodes = [messageNode("a"), messageNode("b", "a"), messageNode("c", "b")];
  await hidden.commitRuntimeState(commit({ sessionId: "hidden", graph: append(nodes, "a") }));
  await hidden.tombstoneNodes(["c", "b"]);
  await store.session("gone").commitRuntimeState(commit({ sessionId: "gone" }));
  await store.deleteSession("gone");
}

/** What `folded` is sent after its first snapshot. */
export async function sendMore(store: Store): Promise<void> {
  await store.session("hidden").vacuum();
  await store
    .session("replaced")
    .commitRuntimeState(
      commit({ sessionId: "replaced", graph: append([messageNode("x"), messageNode("y", "x")], "y") }),
    );
  await store
    .session("replaced")
    .commitRuntimeState(
      commit({ sessionId: "replaced", graph: replaceFull([messageNode("y"), messageNode("z", "y")], "z") }),
    );
}

/** A value of several frames, and of a pattern, so that it is small when packed. */
export function largeState(sessionId: string): Uint8Array {
  const salt = sessionId.charCodeAt(sessionId.length - 1);
  return Uint8Array.from({ length: 2_500_000 }, (_, index) => ((index >> 10) + salt) & 0xff);
}

export async function sendLarge(store: Store, sessionId: string): Promise<void> {
  await store.session(sessionId).commitRuntimeState(
    commit({
      sessionId,
      graph: append([messageNode("long", undefined, "0123456789".repeat(3_000))], "long"),
      checkpoint: checkpoint({ executionState: largeState(sessionId) }),
    }),
  );
}

/** A golden store as files in memory, under `root`. */
export function unpackGolden(name: GoldenStore, root: string): MemoryVfs {
  const vfs = new MemoryVfs();
  const base = join(GOLDEN, name);
  vfs.makeDirectory(root);
  for (const entry of readdirSync(base, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const inside = `${root}/${relative(base, path).replaceAll("\\", "/").replace(/\.gz$/, "")}`;
    if (entry.isDirectory()) vfs.makeDirectory(inside);
    else {
      vfs.makeDirectory(inside.slice(0, inside.lastIndexOf("/")));
      writeNew(vfs, inside, gunzipSync(readFileSync(path)));
    }
  }
  // Git keeps no empty directory.
  for (const name of ["heads", "blobs", "wal"]) vfs.makeDirectory(`${root}/${name}`);
  return vfs;
}

// --- expected contents: JSON, with one-entry maps for what it cannot say -----------------------------

/** `$bigint` decimal, `$bytes` hexadecimal, `$units` UTF-16 code units, `$map` entries, `$repeat` [text, times], `$largeState` id. */
export function fromTagged(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromTagged);
  const entries = Object.entries(value);
  const [tag, data] = entries.length === 1 ? (entries[0] ?? []) : [];
  if (tag === "$bigint") return BigInt(String(data));
  if (tag === "$bytes") return Uint8Array.from(Buffer.from(String(data), "hex"));
  if (tag === "$units") return String.fromCharCode(...(data as number[]));
  if (tag === "$repeat") return String((data as unknown[])[0]).repeat(Number((data as unknown[])[1]));
  if (tag === "$largeState") return largeState(String(data));
  return mapOf(tag === "$map" ? (data as [unknown, unknown][]) : entries);
}

function mapOf(entries: readonly (readonly [unknown, unknown])[]): object {
  const map = {};
  for (const [key, item] of entries) {
    Object.defineProperty(map, String(fromTagged(key)), {
      value: fromTagged(item),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return map;
}
