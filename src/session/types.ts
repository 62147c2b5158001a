/**
 * The data of the contract, as hosts see it. Names are the original contract's in camelCase. "None" is an
 * absent key; counters are integers from 0 to 2^53 - 1; `pluginSnapshotRevision` is a 64-bit `bigint`.
 * Types only: what may be stored is decided in `payload.ts`, what a commit means in `plan.ts`.
 */
import type { BlobRef } from "../ids.ts";

/** What payloads, tools, plugins and mode payloads may hold. */
export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

// --- identity and listing ---------------------------------------------------------------------------

export interface SessionMeta {
  sessionId: string;
  sessionName: string;
  /** Free text. */
  createdAt: string;
  model: string;
  cwd?: string;
  /** Set for a child or a fork. */
  parentSessionId?: string;
}

export interface SessionPickerInfo {
  sessionId: string;
  cwd?: string;
  parentSessionId?: string;
  /** At most 1,024 characters; "" if there is none. */
  firstUserMessage: string;
  userMessageCount: number;
  headRevision?: number;
  /** Pass as `after` to go on behind this entry. Opaque. */
  cursor: string;
}

// --- graph ------------------------------------------------------------------------------------------

export type PartKind =
  | "Text"
  | "Image"
  | "Code"
  | "Output"
  | "Error"
  | "Prose"
  | "ToolCall"
  | "ToolResult"
  | "Reasoning";

export interface Part {
  id: string;
  kind: PartKind;
  content: string;
  pruneState: Json;
  attachment?: Json;
  toolCallId?: string;
  toolName?: string;
  toolReplay?: Json;
  reasoningMeta?: Json;
  responseMeta?: Json;
}

export type MessageRole = "User" | "Assistant" | "System";
/** `transient` messages are never appended to a graph. */
export interface MessageOrigin {
  kind: string;
  pluginId?: string;
  transient?: boolean;
  [key: string]: Json | undefined;
}
export interface Message {
  id: string;
  role: MessageRole;
  parts: Part[];
  origin?: MessageOrigin;
}

/** What an event node holds; a shape we do not know is stored and returned unharmed. */
export type SessionEvent =
  | { conversation: Message }
  | { tool: { invocation: { stableKey: string; record: Json } } }
  | { mode: { modeId: string; payload: Json } }
  | { stateSnapshot: Json }
  | { [key: string]: Json };

interface NodeBase {
  nodeId: string;
  /** Absent = root. */
  parentNodeId?: string;
  /** Text, meant as RFC 3339; not validated. */
  timestamp: string;
}
export interface EventNode<Event = SessionEvent> extends NodeBase {
  kind: "event";
  event: Event;
}
export interface PluginNode<Body = Json> extends NodeBase {
  kind: "plugin";
  pluginType: string;
  body: Body;
}
export type SessionNodeRecord<Event = SessionEvent, Body = Json> = EventNode<Event> | PluginNode<Body>;

export interface SessionGraph<Event = SessionEvent, Body = Json> {
  /** In insertion order. */
  nodes: SessionNodeRecord<Event, Body>[];
  leafNodeId?: string;
}

// --- configuration, turn state, host state ------------------------------------------------------------

export type StandardContextApproach =
  | { kind: "rolling_history" }
  | {
      kind: "observational_memory";
      observationMessageTokens: number;
      observationBufferTokens: number;
      observationBlockAfterTokens: number;
      observationMaxTokensPerBatch: number;
      previousObserverTokens: number;
      reflectionObservationTokens: number;
      reflectionBufferActivationBps: number;
      reflectionBlockAfterTokens: number;
    };

export interface PersistedSessionConfig {
  providerId: string;
  configuredModel: string;
  /** Tokens; 0 = unknown. */
  contextWindow: number;
  executionMode: string;
  standardContextApproach?: StandardContextApproach;
  modelVariant?: string;
}

export interface TokenUsage {
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  reasoningTokens: number;
}
export interface PromptUsage {
  promptContextTokens: number;
  inputTokens: number;
  cachedInputTokens: number;
  contextBudgetTokens: number;
}
export interface TokenLedgerEntry {
  source: string;
  model: string;
  usage: TokenUsage;
}
export interface ModeTurnOptions {
  modeId: string;
  payload: Json;
}
export interface PersistedTurnState {
  turnIndex: number;
  tokenUsage: TokenUsage;
  lastPromptUsage?: PromptUsage;
  modeTurnOptions: ModeTurnOptions;
}

export interface SessionPolicy {
  model: string;
  provider: { kind: string; [key: string]: Json | undefined };
  maxContextTokens?: number;
  modelVariant?: string;
  sessionId?: string;
  autonomous: boolean;
  maxTurns?: number;
  executionMode: string;
  standardContextApproach?: StandardContextApproach;
  prompt?: Json;
}

export interface ToolState {
  generation: number;
  tools: { [name: string]: { manifest: Json; sourceId: string } };
}
export interface PluginSessionSnapshot {
  plugins: { [id: string]: Json };
}

export interface PersistedSessionState<Event = SessionEvent, Body = Json> {
  sessionId: string;
  policy: SessionPolicy;
  sessionGraph: SessionGraph<Event, Body>;
  turnIndex: number;
  tokenUsage: TokenUsage;
  lastPromptUsage?: PromptUsage;
  modeTurnOptions: ModeTurnOptions;
  toolStateRef?: BlobRef;
  toolStateGeneration?: number;
  toolStateSnapshot?: ToolState;
  pluginSnapshotRef?: BlobRef;
  pluginSnapshotRevision?: bigint;
  pluginSnapshot?: PluginSessionSnapshot;
  executionStateRef?: BlobRef;
  executionStateSnapshot?: Uint8Array;
  tokenLedger: TokenLedgerEntry[];
  checkpointRef?: BlobRef;
  /** Last observed; absent = "creating the first head". */
  headRevision?: number;
  graphReplaceRequired: boolean;
  /** Loaded by active path: not all nodes are here. */
  graphIsPartial: boolean;
}

// --- checkpoint, head ----------------------------------------------------------------------------------

/** The checkpoint manifest, itself a blob. */
export interface SessionCheckpoint {
  turnState: PersistedTurnState;
  toolStateRef?: BlobRef;
  pluginSnapshotRef?: BlobRef;
  /** A 64-bit fingerprint, not a counter. */
  pluginSnapshotRevision?: bigint;
  executionStateRef?: BlobRef;
}
export interface HydratedSessionCheckpoint extends SessionCheckpoint {
  toolState?: ToolState;
  pluginSnapshot?: PluginSessionSnapshot;
  /** An empty one is a value. */
  executionState?: Uint8Array;
}

export interface SessionHead<Event = SessionEvent, Body = Json> {
  sessionId: string;
  headRevision: number;
  graph: SessionGraph<Event, Body>;
  config: PersistedSessionConfig;
  checkpointRef?: BlobRef;
  tokenLedger: TokenLedgerEntry[];
}
export interface SessionHeadMeta {
  sessionId: string;
  headRevision: number;
  config: PersistedSessionConfig;
  checkpointRef?: BlobRef;
  leafNodeId?: string;
  /** Live nodes. */
  graphNodeCount: number;
  tokenLedger: TokenLedgerEntry[];
}

export interface PersistedSessionRead<Event = SessionEvent, Body = Json> {
  sessionId: string;
  headRevision: number;
  config: PersistedSessionConfig;
  graph: SessionGraph<Event, Body>;
  graphIsPartial: boolean;
  checkpointRef: BlobRef;
  checkpoint: HydratedSessionCheckpoint;
  tokenLedger: TokenLedgerEntry[];
  /** Of a path that `limit` cut: its next older node. As `leafNodeId` of the next read it goes on there. */
  nextOlderNodeId?: string;
  /**
   * Of a read since a revision: nodes that a copy of that revision may have and must drop, in no order. Then the nodes
   * of `graph` stand behind what is left.
   */
  removedNodeIds?: string[];
}

// --- operations ------------------------------------------------------------------------------------------

export type SessionReadScope =
  | { kind: "fullGraph" }
  /** `limit`: only the newest so many nodes of the path. */
  | { kind: "activePath"; leafNodeId?: string; limit?: number }
  /** What a copy of the full graph read at that revision lacks, and what it must drop; 0 = a copy of nothing. */
  | { kind: "changesSince"; headRevision: number };

/** The leaf is always explicit: absent means "no leaf", not "keep". */
export type GraphCommitDelta<Event = SessionEvent, Body = Json> =
  | { kind: "unchanged"; leafNodeId?: string }
  | { kind: "append"; nodes: SessionNodeRecord<Event, Body>[]; leafNodeId?: string }
  | { kind: "replaceFull"; graph: SessionGraph<Event, Body> };

export interface RuntimeCommit<Event = SessionEvent, Body = Json> {
  sessionId: string;
  /** Absent = unconditional, also on an existing head. */
  expectedHeadRevision?: number;
  config: PersistedSessionConfig;
  graph: GraphCommitDelta<Event, Body>;
  checkpoint: HydratedSessionCheckpoint;
  usageDeltas: TokenLedgerEntry[];
  /** Makes a retry after a lost answer safe. */
  operationId?: string;
}
export interface RuntimeCommitResult {
  headRevision: number;
  checkpointRef: BlobRef;
  manifest: SessionCheckpoint;
  /** True when a remembered operation was answered again and nothing was written. */
  replayed: boolean;
}

export interface GcReport {
  /** Heads with a checkpoint. */
  rootCount: number;
  retainedBlobCount: number;
  deletedBlobCount: number;
}
export interface VacuumReport {
  removedNodeCount: number;
}

export type GraphPolicy = "strict" | "permissive";
