/**
 * What the sessions of a tortured store hold: for every session and every number of operations done, the
 * operations and the state they leave are computed from the seed alone. So whatever a crash left can be
 * checked without remembering what was sent. It deliberately shares nothing with the store but its types:
 * this is the model that the store is compared with.
 *
 * 1. Operation n of a session depends on the plan, the session's id and n; never on time or on answers.
 * 2. A lane plays one session after another: each ends with its deletion, and only then the next begins.
 */
import type {
  PluginSessionSnapshot,
  RuntimeCommit,
  SessionMeta,
  SessionNodeRecord,
  TokenLedgerEntry,
  ToolState,
} from "../../session/types.ts";
import { hash32, Random } from "../replay/random.ts";

export interface Plan {
  readonly seed: number;
  readonly lanes: number;
  /** Bytes of the largest value a commit may carry. */
  readonly largestBytes: number;
}

/** How far a lane is: `done` operations of its session number `generation`. */
export interface Position {
  readonly generation: number;
  readonly done: number;
}

export type Operation =
  | { readonly kind: "commit"; readonly commit: RuntimeCommit }
  | { readonly kind: "hide"; readonly nodeIds: readonly string[] }
  | { readonly kind: "vacuum"; readonly removes: number }
  | { readonly kind: "meta"; readonly meta: SessionMeta }
  | { readonly kind: "delete" };

/** A session after `done` operations. */
export interface Scripted {
  readonly sessionId: string;
  readonly done: number;
  readonly revision: number;
  /** Live ones, in insertion order. */
  readonly nodes: readonly SessionNodeRecord[];
  readonly leaf: string | undefined;
  /** Nodes hidden and not yet vacuumed. */
  readonly hidden: number;
  readonly toolState: ToolState | undefined;
  readonly pluginSnapshot: PluginSessionSnapshot | undefined;
  readonly executionState: Uint8Array | undefined;
  readonly ledger: readonly TokenLedgerEntry[];
  readonly meta: SessionMeta | undefined;
}

const SHORTEST_SESSION = 6;
const LONGEST_SESSION = 40;
/** Tool states are shared by all sessions, so that gc meets blobs that come back and blobs with many owners. */
const TOOL_STATES = 5;
const TOOL_STATE_CHARS = 3_000;
const MODELS = 3;
/** Shares of a commit's execution state: [share, bytes]; most are small, a few need frames of their own. */
const SIZES: readonly (readonly [share: number, bytes: number])[] = [
  [0.55, 600],
  [0.85, 6_000],
  [0.995, 40_000],
  [1, 1_200_000],
];

export const START: Position = { generation: 0, done: 0 };

export function sessionIdAt(lane: number, generation: number): string {
  return `lane-${lane}-${generation}`;
}

/** Operations of a session, its deletion included. */
export function lengthOf(plan: Plan, sessionId: string): number {
  return SHORTEST_SESSION + (hash32(plan.seed, sessionId) % (LONGEST_SESSION - SHORTEST_SESSION));
}

export function positionAfter(plan: Plan, lane: number, { generation, done }: Position): Position {
  const isLast = done + 1 >= lengthOf(plan, sessionIdAt(lane, generation));
  return isLast ? { generation: generation + 1, done: 0 } : { generation, done: done + 1 };
}

/** Negative when `left` comes before `right`. */
export function comparePositions(left: Position, right: Position): number {
  return left.generation - right.generation || left.done - right.done;
}

/** The session of a lane at that position. */
export function scriptedAt(plan: Plan, lane: number, { generation, done }: Position): Scripted {
  let state = newSession(sessionIdAt(lane, generation));
  while (state.done < done) state = step(plan, state).after;
  return state;
}

/** The next operation of a session and what it leaves; what a deletion leaves is a session without anything. */
export function step(plan: Plan, before: Scripted): { operation: Operation; after: Scripted } {
  const random = new Random(hash32(plan.seed, before.sessionId, before.done));
  if (before.done + 1 === lengthOf(plan, before.sessionId)) {
    return {
      operation: { kind: "delete" },
      after: { ...newSession(before.sessionId), done: before.done + 1 },
    };
  }
  const { operation, change } = choose(plan, before, random);
  return { operation, after: { ...before, ...change, done: before.done + 1 } };
}

function newSession(sessionId: string): Scripted {
  return {
    sessionId,
    done: 0,
    revision: 0,
    nodes: [],
    leaf: undefined,
    hidden: 0,
    toolState: undefined,
    pluginSnapshot: undefined,
    executionState: undefined,
    ledger: [],
    meta: undefined,
  };
}

interface Choice {
  readonly operation: Operation;
  readonly change: Partial<Scripted>;
}

function choose(plan: Plan, before: Scripted, random: Random): Choice {
  const share = random.next();
  if (share < 0.08) return describe(before);
  if (before.revision > 0 && share < 0.2) return hide(before, random);
  if (before.revision > 0 && share < 0.25)
    return { operation: { kind: "vacuum", removes: before.hidden }, change: { hidden: 0 } };
  return commit(plan, before, random);
}

function describe({ sessionId, done }: Scripted): Choice {
  const meta: SessionMeta = {
    sessionId,
    sessionName: `${sessionId} after ${done}`,
    createdAt: "2026-01-02T03:04:05Z",
    model: `m${done % MODELS}`,
    cwd: `/projects/${done}`,
  };
  return { operation: { kind: "meta", meta }, change: { meta } };
}

/** Side nodes have no children and are never on the active path, so they may always be hidden. */
function hide(before: Scripted, random: Random): Choice {
  const sides = before.nodes.filter(({ nodeId }) => nodeId.startsWith("x"));
  const chosen = new Set(sides.filter(() => random.chance(0.4)).map(({ nodeId }) => nodeId));
  return {
    operation: { kind: "hide", nodeIds: [...chosen] },
    change: {
      nodes: before.nodes.filter(({ nodeId }) => !chosen.has(nodeId)),
      hidden: before.hidden + chosen.size,
    },
  };
}

function commit(plan: Plan, before: Scripted, random: Random): Choice {
  const { sessionId, done, revision } = before;
  const trunks = before.nodes.filter(({ nodeId }) => nodeId.startsWith("n"));
  const branch = random.chance(0.12) ? trunks[random.integer(0, trunks.length - 1)] : undefined;
  const trunk = messageNode(`n${done}`, branch?.nodeId ?? before.leaf, `${sessionId} says ${done}`);
  const added = random.chance(0.6) ? [trunk, messageNode(`x${done}`, trunk.nodeId, "aside")] : [trunk];
  const replaces = revision > 0 && random.chance(0.08);
  const kept = replaces ? trunks : before.nodes;
  const after: Partial<Scripted> & Pick<Scripted, "nodes" | "ledger"> = {
    revision: revision + 1,
    nodes: [...kept, ...added],
    leaf: trunk.nodeId,
    hidden: replaces ? 0 : before.hidden,
    toolState: random.chance(0.8) ? toolState(random.integer(1, TOOL_STATES)) : undefined,
    pluginSnapshot: random.chance(0.5) ? { plugins: { memo: { turn: done, of: sessionId } } } : undefined,
    executionState: random.chance(0.9) ? executionState(plan, random) : undefined,
    ledger: withUsage(before.ledger, usageOf(done)),
  };
  const graph = replaces
    ? { kind: "replaceFull" as const, graph: { nodes: [...after.nodes], leafNodeId: trunk.nodeId } }
    : { kind: "append" as const, nodes: added, leafNodeId: trunk.nodeId };
  const sent: RuntimeCommit = {
    sessionId,
    expectedHeadRevision: revision,
    operationId: `operation-${done}`,
    config: configAt(revision + 1),
    graph,
    checkpoint: {
      turnState: turnStateAt(revision + 1),
      pluginSnapshotRevision: BigInt(revision + 1),
      ...(after.toolState === undefined ? {} : { toolState: after.toolState }),
      ...(after.pluginSnapshot === undefined ? {} : { pluginSnapshot: after.pluginSnapshot }),
      ...(after.executionState === undefined ? {} : { executionState: after.executionState }),
    },
    usageDeltas: [usageOf(done)],
  };
  return { operation: { kind: "commit", commit: sent }, change: after };
}

export function configAt(revision: number): RuntimeCommit["config"] {
  return {
    providerId: "torture",
    configuredModel: "m",
    contextWindow: revision,
    executionMode: "standard",
  };
}

export function turnStateAt(revision: number): RuntimeCommit["checkpoint"]["turnState"] {
  return {
    turnIndex: revision,
    tokenUsage: tokens(revision),
    modeTurnOptions: { modeId: "standard", payload: { revision } },
  };
}

function messageNode(nodeId: string, parent: string | undefined, content: string): SessionNodeRecord {
  return {
    nodeId,
    ...(parent === undefined ? {} : { parentNodeId: parent }),
    timestamp: "2026-01-02T03:04:05Z",
    kind: "event",
    event: {
      conversation: {
        id: nodeId,
        role: "User",
        parts: [{ id: "p", kind: "Text", content, pruneState: "Intact" }],
      },
    },
  };
}

function toolState(generation: number): ToolState {
  const manifest = { name: "search", text: `tool ${generation} `.repeat(TOOL_STATE_CHARS / 10) };
  return { generation, tools: { search: { manifest, sourceId: "builtin" } } };
}

function executionState(plan: Plan, random: Random): Uint8Array {
  const share = random.next();
  const bytes = SIZES.find(([most]) => share < most)?.[1] ?? 0;
  return noise(Math.min(bytes, plan.largestBytes), random.integer(1, 0x7fff_ffff));
}

/** Bytes that do not compress; a linear congruence. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

function usageOf(done: number): TokenLedgerEntry {
  return { source: "turn", model: `m${done % MODELS}`, usage: tokens(done + 1) };
}

function tokens(inputTokens: number): TokenLedgerEntry["usage"] {
  return { inputTokens, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 };
}

/** Sums by (source, model) in first-seen order. */
function withUsage(ledger: readonly TokenLedgerEntry[], entry: TokenLedgerEntry): TokenLedgerEntry[] {
  const isSame = ({ source, model }: TokenLedgerEntry) => source === entry.source && model === entry.model;
  if (!ledger.some(isSame)) return [...ledger, entry];
  return ledger.map((old) => {
    if (!isSame(old)) return old;
    const usage = {
      ...old.usage,
      inputTokens: old.usage.inputTokens + entry.usage.inputTokens,
      outputTokens: old.usage.outputTokens + entry.usage.outputTokens,
    };
    return { ...old, usage };
  });
}
