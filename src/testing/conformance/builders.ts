/**
 * Small builders of what hosts send: nodes, checkpoints, commits. Each answers a fresh value with every
 * required field set and nothing else, so that a test names only what it is about. They deliberately use
 * nothing of the code under test but its types.
 */
import type {
  GraphCommitDelta,
  HydratedSessionCheckpoint,
  Json,
  Message,
  MessageRole,
  Part,
  PersistedSessionConfig,
  PersistedTurnState,
  PluginSessionSnapshot,
  RuntimeCommit,
  SessionEvent,
  SessionMeta,
  SessionNodeRecord,
  TokenLedgerEntry,
  TokenUsage,
  ToolState,
} from "../../session/types.ts";

export const TIMESTAMP = "2026-01-02T03:04:05Z";

export function part(content: string, fields: Partial<Part> = {}): Part {
  return { id: "p1", kind: "Text", content, pruneState: "Intact", ...fields };
}

export function message(id: string, content: string, role: MessageRole = "User"): Message {
  return { id, role, parts: [part(content)] };
}

/** `undefined` parent = root. */
export function eventNode(
  nodeId: string,
  parent: string | undefined,
  event: SessionEvent,
): SessionNodeRecord {
  return {
    nodeId,
    ...(parent === undefined ? {} : { parentNodeId: parent }),
    timestamp: TIMESTAMP,
    kind: "event",
    event,
  };
}

export function messageNode(
  nodeId: string,
  parent?: string,
  content = `text of ${nodeId}`,
  role: MessageRole = "User",
): SessionNodeRecord {
  return eventNode(nodeId, parent, { conversation: message(nodeId, content, role) });
}

export function pluginNode(nodeId: string, parent: string | undefined, body: Json): SessionNodeRecord {
  return {
    nodeId,
    ...(parent === undefined ? {} : { parentNodeId: parent }),
    timestamp: TIMESTAMP,
    kind: "plugin",
    pluginType: "test.plugin",
    body,
  };
}

/** Nodes that each have the one before as parent. */
export function chain(...ids: string[]): SessionNodeRecord[] {
  return ids.map((id, index) => messageNode(id, index === 0 ? undefined : ids[index - 1]));
}

export function append(nodes: SessionNodeRecord[], leafNodeId?: string): GraphCommitDelta {
  return { kind: "append", nodes, ...(leafNodeId === undefined ? {} : { leafNodeId }) };
}

export function unchanged(leafNodeId?: string): GraphCommitDelta {
  return { kind: "unchanged", ...(leafNodeId === undefined ? {} : { leafNodeId }) };
}

export function replaceFull(nodes: SessionNodeRecord[], leafNodeId?: string): GraphCommitDelta {
  return {
    kind: "replaceFull",
    graph: { nodes, ...(leafNodeId === undefined ? {} : { leafNodeId }) },
  };
}

export function usage(input: number, output = 0, cached = 0, reasoning = 0): TokenUsage {
  return { inputTokens: input, outputTokens: output, cachedInputTokens: cached, reasoningTokens: reasoning };
}

export function ledgerEntry(source: string, model: string, counters: TokenUsage): TokenLedgerEntry {
  return { source, model, usage: counters };
}

export function config(fields: Partial<PersistedSessionConfig> = {}): PersistedSessionConfig {
  return {
    providerId: "provider",
    configuredModel: "model-1",
    contextWindow: 200_000,
    executionMode: "standard",
    ...fields,
  };
}

export function turnState(fields: Partial<PersistedTurnState> = {}): PersistedTurnState {
  return {
    turnIndex: 1,
    tokenUsage: usage(10, 5),
    modeTurnOptions: { modeId: "standard", payload: {} },
    ...fields,
  };
}

export function toolState(generation: number, fill = ""): ToolState {
  return { generation, tools: { search: { manifest: { name: "search", fill }, sourceId: "builtin" } } };
}

export function pluginSnapshot(state: Json): PluginSessionSnapshot {
  return { plugins: { memo: { meta: { pluginId: "memo", state } } } };
}

export function checkpoint(fields: Partial<HydratedSessionCheckpoint> = {}): HydratedSessionCheckpoint {
  return { turnState: turnState(), ...fields };
}

export function commit(fields: Partial<RuntimeCommit> = {}): RuntimeCommit {
  return {
    sessionId: "root",
    config: config(),
    graph: unchanged(),
    checkpoint: checkpoint(),
    usageDeltas: [],
    ...fields,
  };
}

export function meta(sessionId = "root", fields: Partial<SessionMeta> = {}): SessionMeta {
  return {
    sessionId,
    sessionName: `name of ${sessionId}`,
    createdAt: "unix:1700000000",
    model: "model-1",
    ...fields,
  };
}

/** Bytes that do not compress and differ by seed; a linear congruence, so that no test depends on luck. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
