/**
 * Makes events of the contract's values. Arguments and answers are read at once, so a history never changes
 * with them. It deliberately judges nothing: an answer that makes no sense is recorded as it is.
 */
import type {
  HydratedSessionCheckpoint,
  PersistedSessionRead,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionCheckpoint,
  SessionHeadMeta,
  SessionMeta,
  SessionNodeRecord,
  SessionPickerInfo,
  TokenLedgerEntry,
} from "../../session/types.ts";
import {
  COMPONENTS,
  type CommitCall,
  type CommitSeen,
  type ComponentName,
  type ComponentSent,
  type EntrySeen,
  type HeadMetaSeen,
  type MetaSeen,
  type NodeSeen,
  type SessionSeen,
  type UsageSeen,
} from "./events.ts";
import { addressOf, fingerprint } from "./fingerprint.ts";

/** Of `firstUserMessage`. */
const MAX_TEXT_CHARS = 1024;

type Refs = { [Name in ComponentName]?: string };

export function recordCommit(commit: RuntimeCommit): CommitCall {
  const { graph, checkpoint } = commit;
  const nodes = graph.kind === "append" ? graph.nodes : graph.kind === "replaceFull" ? graph.graph.nodes : [];
  const leaf = graph.kind === "replaceFull" ? graph.graph.leafNodeId : graph.leafNodeId;
  const seen = {
    config: recordConfig(commit),
    graph: graph.kind,
    nodes: nodes.map(recordNode),
    leaf,
    turn: recordTurn(checkpoint),
    components: recordComponents(checkpoint),
    usage: commit.usageDeltas.map(recordUsage),
    expected: commit.expectedHeadRevision,
  };
  return { kind: "commit", ...seen, operationId: commit.operationId, content: fingerprint(seen) };
}

function recordConfig({ config }: Pick<RuntimeCommit, "config">): string {
  return fingerprint({ ...config, executionMode: config.executionMode ?? "standard" });
}

export function recordNode(node: SessionNodeRecord): NodeSeen {
  const { nodeId, parentNodeId, ...body } = node;
  return { id: nodeId, parent: parentNodeId, body: fingerprint(body), userText: userText(node) };
}

/** Turn state and plugin revision of a checkpoint, counters that are missing being 0. */
function recordTurn({ turnState, pluginSnapshotRevision }: SessionCheckpoint): string {
  const tokenUsage = recordCounters(turnState.tokenUsage);
  const { lastPromptUsage, modeTurnOptions, turnIndex } = turnState;
  const prompt = lastPromptUsage && [
    lastPromptUsage.promptContextTokens ?? 0,
    lastPromptUsage.inputTokens ?? 0,
    lastPromptUsage.cachedInputTokens ?? 0,
    lastPromptUsage.contextBudgetTokens ?? 0,
  ];
  const mode = modeTurnOptions ?? { modeId: "standard", payload: {} };
  return fingerprint({ turnIndex, tokenUsage, prompt, mode, pluginSnapshotRevision });
}

function recordComponents(checkpoint: HydratedSessionCheckpoint): CommitCall["components"] {
  const sent: { [Name in ComponentName]?: ComponentSent } = {};
  for (const name of COMPONENTS) {
    const value = checkpoint[name];
    const ref = value === undefined ? checkpoint[`${name}Ref`] : addressOf(value);
    if (ref !== undefined) sent[name] = { ref, value: value === undefined ? undefined : fingerprint(value) };
  }
  return sent;
}

export function recordUsage({ source, model, usage }: TokenLedgerEntry): UsageSeen {
  return { key: `${JSON.stringify(source)}, ${JSON.stringify(model)}`, counters: recordCounters(usage) };
}

function recordCounters(usage: TokenLedgerEntry["usage"] | undefined): UsageSeen["counters"] {
  const { inputTokens = 0, outputTokens = 0, cachedInputTokens = 0, reasoningTokens = 0 } = usage ?? {};
  return [inputTokens, outputTokens, cachedInputTokens, reasoningTokens];
}

export function recordMeta(meta: SessionMeta): MetaSeen {
  return { value: fingerprint(meta), cwd: meta.cwd, parent: meta.parentSessionId };
}

export function recordResult(result: RuntimeCommitResult): CommitSeen {
  const { headRevision, checkpointRef, manifest, replayed } = result;
  const wrongAddress = addressOf(manifest) === checkpointRef ? undefined : "checkpoint manifest";
  const seen = { turn: recordTurn(manifest), refs: refsOf(manifest), checkpointRef, wrongAddress };
  return { revision: headRevision, replayed, ...seen };
}

export function recordSession(read: PersistedSessionRead): SessionSeen {
  const { checkpoint, graph } = read;
  const values: Refs = {};
  for (const name of COMPONENTS) {
    const value = checkpoint[name];
    if (value !== undefined) values[name] = fingerprint(value);
  }
  return {
    revision: read.headRevision,
    config: recordConfig(read),
    nodes: graph.nodes.map(recordNode),
    leaf: graph.leafNodeId,
    turn: recordTurn(checkpoint),
    refs: refsOf(checkpoint),
    values,
    ledger: read.tokenLedger.map(recordUsage),
    nextOlder: read.nextOlderNodeId,
    wrongAddress: wrongAddressOf(read),
  };
}

export function recordHeadMeta(head: SessionHeadMeta): HeadMetaSeen {
  return {
    revision: head.headRevision,
    config: recordConfig(head),
    leaf: head.leafNodeId,
    nodeCount: head.graphNodeCount,
    ledger: head.tokenLedger.map(recordUsage),
  };
}

function wrongAddressOf({ checkpoint, checkpointRef }: PersistedSessionRead): string | undefined {
  const { toolState: _t, pluginSnapshot: _p, executionState: _e, ...manifest } = checkpoint;
  if (addressOf(manifest) !== checkpointRef) return "checkpoint manifest";
  return COMPONENTS.find((name) => {
    const value = checkpoint[name];
    const ref = checkpoint[`${name}Ref`];
    return value === undefined ? ref !== undefined : addressOf(value) !== ref;
  });
}

function refsOf(checkpoint: SessionCheckpoint): Refs {
  const refs: Refs = {};
  for (const name of COMPONENTS) {
    const ref = checkpoint[`${name}Ref`];
    if (ref !== undefined) refs[name] = ref;
  }
  return refs;
}

export function recordEntry(info: SessionPickerInfo): EntrySeen {
  const { sessionId, headRevision, cwd, parentSessionId, firstUserMessage, userMessageCount } = info;
  return {
    sessionId,
    revision: headRevision,
    cwd,
    parent: parentSessionId,
    firstUserMessage,
    userMessageCount,
  };
}

/** Text of a user message that counts, as a listing shows it. */
function userText(node: SessionNodeRecord): string | undefined {
  if (node.kind !== "event" || !("conversation" in node.event)) return undefined;
  const message = node.event.conversation as { role?: unknown; parts?: unknown };
  if (message?.role !== "User") return undefined;
  const parts = (Array.isArray(message.parts) ? message.parts : []) as {
    kind?: unknown;
    content?: unknown;
  }[];
  const shown = parts.filter(({ kind }) => kind !== "ToolCall" && kind !== "ToolResult");
  if (parts.length > 0 && shown.length === 0) return undefined;
  const texts = shown.map(({ kind, content }) => (kind === "Image" ? "[Image attached]" : content));
  return texts
    .filter((text) => typeof text === "string")
    .join("\n\n")
    .trim()
    .slice(0, MAX_TEXT_CHARS);
}
