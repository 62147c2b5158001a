/**
 * A small closed store with everything in it that can be lost, the history of each of its sessions, and ways
 * to damage a copy. What a damaged copy still gives is asked of the package's own readers, as a host would.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ReadOnlyStore, Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly, toJson } from "../../src/index.ts";
import type { Message } from "../../src/session/types.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { readWhole, type Vfs } from "../../src/vfs/vfs.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  meta,
  noise,
  pluginSnapshot,
  replaceFull,
  toolState,
  turnState,
  usage,
} from "../support/builders.ts";

export const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };
export const ROOT = "/store";
/** Sessions with a head. "plain" only appends; "edited" is tombstoned, vacuumed and replaced; "child" is a fork. */
export const SESSIONS = ["plain", "edited", "child", "late"] as const;
/** Only meta was ever saved. */
export const BARE = "bare";
export const DELETED = ["gone early", "gone late"] as const;

export interface Sample {
  readonly vfs: MemoryVfs;
  readonly files: readonly string[];
  /** Of each session every state it ever had, as text, the newest last. */
  readonly history: ReadonlyMap<string, readonly string[]>;
}

let made: Promise<Sample> | undefined;

/** Two generations, a collected blob, a tail, and a clean close; made once. */
export function sample(): Promise<Sample> {
  made ??= makeSample();
  return made;
}

async function makeSample(): Promise<Sample> {
  const vfs = new MemoryVfs({ crashable: true });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  const history = new Map<string, string[]>();
  const note = async (id: string): Promise<void> => {
    history.set(id, [...(history.get(id) ?? []), await stateOf(store, id)]);
  };
  for (const id of DELETED) await store.session(id).commitRuntimeState(commit({ sessionId: id }));
  await store.deleteSession(DELETED[0]);
  await store.session(BARE).saveSessionMeta(meta(BARE));
  await note(BARE);
  for (let round = 1; round <= 5; round++) {
    for (const id of SESSIONS) {
      if (id === "late" && round < 5) continue;
      if (id === "child" && round === 1)
        await store.session(id).saveSessionMeta(meta(id, { parentSessionId: "plain" }));
      await store.session(id).commitRuntimeState(turnOf(id, id === "late" ? 1 : round));
      await note(id);
    }
    await edit(store, round, () => note("edited"));
    if (round === 2 || round === 3) await store.snapshot();
    if (round === 2) await store.gc();
    if (round === 4) await store.deleteSession(DELETED[1]);
  }
  await store.close();
  return { vfs, files: filesOf(vfs, ROOT), history };
}

/** The commit that makes revision `revision` of a session that only appends. */
export function turnOf(sessionId: string, revision: number) {
  const node = messageNode(
    `n${revision}`,
    revision === 1 ? undefined : `n${revision - 1}`,
    `${sessionId} `.repeat(150),
  );
  const side = messageNode(`x${revision}`, node.nodeId, "side");
  return commit({
    sessionId,
    operationId: `op-${revision}`,
    graph:
      sessionId === "edited" && revision > 1
        ? append([{ ...node, parentNodeId: "n1" }, side], node.nodeId)
        : append([node, side], node.nodeId),
    checkpoint: checkpoint({
      turnState: turnState({ turnIndex: revision }),
      toolState: toolState(revision, sessionId),
      pluginSnapshot: pluginSnapshot("x".repeat(5_000)),
      executionState: noise(1_500, revision),
    }),
    usageDeltas: [ledgerEntry("turn", "m", usage(revision))],
  });
}

/** Every kind of record that is not an append, over the rounds. */
async function edit(store: Store, round: number, note: () => Promise<void>): Promise<void> {
  const session = store.session("edited");
  await session.tombstoneNodes([`x${round}`]);
  await note();
  if (round === 2 || round === 4) {
    await session.vacuum();
    await note();
  }
  if (round !== 3) return;
  const head = await session.loadSession();
  assert.ok(head);
  const extra = messageNode("extra", "n1", "one more", "Assistant" satisfies Message["role"]);
  await session.commitRuntimeState(
    commit({
      sessionId: "edited",
      graph: replaceFull([...head.graph.nodes.filter(({ nodeId }) => nodeId !== "n2"), extra], "extra"),
      checkpoint: checkpoint({ toolState: toolState(3, "edited") }),
    }),
  );
  await note();
}

/** All that a reader can see of a session: its revision and nodes for people, and a hash of everything. */
async function stateOf(store: Pick<ReadOnlyStore, "session">, id: string): Promise<string> {
  const session = store.session(id);
  const head = await session.loadSession();
  const all = sorted(JSON.parse(toJson([head ?? null, (await session.loadSessionMeta()) ?? null])));
  const hash = createHash("sha256").update(JSON.stringify(all)).digest("hex");
  const nodes = head?.graph.nodes.map(({ nodeId }) => nodeId).join(" ");
  return `r${head?.headRevision ?? "-"} [${nodes ?? ""}] ${hash.slice(0, 16)}`;
}

/** What is read of a session that is not there. */
export const NOTHING = `r- [] ${createHash("sha256").update("[null,null]").digest("hex").slice(0, 16)}`;

/** Maps have no order in a ledger or a config. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}

export type Seen = ReadonlyMap<string, string | Error>;

/** What a host's reader gets of every session; an error instead, for all of them, if the store does not open. */
export async function readAll(vfs: Vfs, directory: string): Promise<Seen> {
  const seen = new Map<string, string | Error>();
  const ids = [...SESSIONS, BARE];
  try {
    const store = await openStoreReadOnly(directory, { vfs });
    try {
      for (const id of ids) seen.set(id, await stateOf(store, id).catch(storeFailure));
    } finally {
      await store.close();
    }
  } catch (error) {
    for (const id of ids) seen.set(id, storeFailure(error));
  }
  return seen;
}

function storeFailure(error: unknown): Error {
  assert.ok(isStoreError(error), String(error instanceof Error ? error.stack : error));
  return error;
}

export interface Damage {
  readonly told: string;
  readonly vfs: MemoryVfs;
  readonly path: string;
}

/** A copy of the sample, changed. */
export async function damaged(told: string, path: string, change: (vfs: MemoryVfs) => void): Promise<Damage> {
  const vfs = (await sample()).vfs.crashKeepingEverything();
  change(vfs);
  return { told, vfs, path };
}

export function flipBit(path: string, at: number, bit: number): Promise<Damage> {
  return damaged(`bit ${bit} of byte ${at} of ${path}`, path, (vfs) => {
    const byte = wholeOf(vfs, path)[at] ?? 0;
    overwrite(vfs, path, Uint8Array.of(byte ^ (1 << bit)), at);
  });
}

export function zeroBlock(path: string, at: number, length = 512): Promise<Damage> {
  return damaged(`zeros from ${at} of ${path}`, path, (vfs) =>
    overwrite(vfs, path, new Uint8Array(length), at),
  );
}

export function cutTo(path: string, size: number): Promise<Damage> {
  return damaged(`${path} cut to ${size}`, path, (vfs) => {
    const file = vfs.open(path, "write");
    file.truncate(size);
    file.close();
  });
}

export function removed(...paths: string[]): Promise<Damage> {
  return damaged(`${paths.join(", ")} removed`, paths[0] ?? "", (vfs) => {
    for (const path of paths) vfs.remove(path);
  });
}

/** Bits, blocks, cuts and removals of every file: `places` of each that has places. */
export async function* everyDamage(places: number): AsyncGenerator<Damage> {
  const { vfs, files } = await sample();
  for (const path of files) {
    const bytes = wholeOf(vfs, path);
    for (const at of positionsIn(bytes, places)) yield await flipBit(path, at, at % 8);
    const blocks = Array.from({ length: Math.ceil(bytes.length / 512) }, (_, block) => block * 512);
    const live = blocks.filter((at) => bytes.subarray(at, at + 512).some((byte) => byte !== 0));
    const step = Math.max(1, Math.floor(live.length / places));
    for (const at of live.filter((_, index) => index % step === 0))
      yield await zeroBlock(path, at, Math.min(512, bytes.length - at));
    for (const size of [0, 1, 40, Math.floor(bytes.length / 2), bytes.length - 1])
      if (size < bytes.length) yield await cutTo(path, size);
    yield await removed(path);
  }
}

/** Positions spread over the bytes of a file that are not zero. */
export function positionsIn(bytes: Uint8Array, count: number): number[] {
  const live = Array.from(bytes.keys()).filter((at) => bytes[at] !== 0);
  const step = Math.max(1, Math.floor(live.length / count));
  return live.filter((_, index) => index % step === 0);
}

export function wholeOf(vfs: Vfs, path: string): Uint8Array {
  const bytes = readWhole(vfs, path, 1 << 30);
  assert.ok(bytes, path);
  return bytes;
}

export function overwrite(vfs: Vfs, path: string, bytes: Uint8Array, position: number): void {
  const file = vfs.open(path, "write");
  file.write([bytes], position);
  file.close();
}

export function filesOf(vfs: Vfs, directory: string): string[] {
  return vfs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return vfs.stat(path)?.kind === "directory" ? filesOf(vfs, path) : [path];
  });
}
