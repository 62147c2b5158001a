/**
 * From a host's state to a commit and back. Pure but for the three loaders, which read a session and write
 * nothing. Every function answers a new value; node records and hydrated values are shared, never changed.
 * They deliberately know no store: a session is anything that can load itself.
 */
import { storeError } from "../errors.ts";
import { defaultModeTurnOptions, defaultSessionPolicy, emptyTokenUsage } from "./defaults.ts";
import type {
  GraphCommitDelta,
  HydratedSessionCheckpoint,
  Json,
  PersistedSessionConfig,
  PersistedSessionRead,
  PersistedSessionState,
  PersistedTurnState,
  RuntimeCommit,
  RuntimeCommitResult,
  SessionEvent,
  SessionGraph,
  SessionHead,
  SessionPolicy,
  SessionReadScope,
  TokenLedgerEntry,
} from "./types.ts";

/** What the loaders need of a session. */
export interface SessionSource<Event = SessionEvent, Body = Json> {
  loadSession(scope?: SessionReadScope): Promise<PersistedSessionRead<Event, Body> | undefined>;
}

export function configFromState<Event, Body>(
  state: PersistedSessionState<Event, Body>,
): PersistedSessionConfig {
  const { provider, model, maxContextTokens, executionMode, standardContextApproach, modelVariant } =
    state.policy;
  return {
    providerId: provider.kind,
    configuredModel: model,
    contextWindow: maxContextTokens ?? 0,
    executionMode,
    ...present({ standardContextApproach: standardContextApproach && { ...standardContextApproach } }),
    ...present({ modelVariant }),
  };
}

export function turnStateFromState<Event, Body>(
  state: PersistedSessionState<Event, Body>,
): PersistedTurnState {
  const { turnIndex, tokenUsage, lastPromptUsage, modeTurnOptions } = state;
  return {
    turnIndex,
    tokenUsage: { ...tokenUsage },
    ...present({ lastPromptUsage: lastPromptUsage && { ...lastPromptUsage } }),
    modeTurnOptions: { ...modeTurnOptions },
  };
}

/** Refs and hydrated values. A ref without a value means "unchanged", neither means "drop". */
export function checkpointFromState<Event, Body>(
  state: PersistedSessionState<Event, Body>,
): HydratedSessionCheckpoint {
  return {
    turnState: turnStateFromState(state),
    ...present({ toolStateRef: state.toolStateRef }),
    ...present({ toolState: state.toolStateSnapshot }),
    ...present({ pluginSnapshotRef: state.pluginSnapshotRef }),
    ...present({ pluginSnapshotRevision: state.pluginSnapshotRevision }),
    ...present({ pluginSnapshot: state.pluginSnapshot }),
    ...present({ executionStateRef: state.executionStateRef }),
    ...present({ executionState: state.executionStateSnapshot }),
  };
}

/**
 * A commit of the whole state: the full graph if it must be replaced or no revision is known, else only the
 * leaf. Throws PARTIAL_GRAPH where a state loaded by active path would replace the full graph.
 */
export function commitFromState<Event = SessionEvent, Body = Json>(
  state: PersistedSessionState<Event, Body>,
  usageDeltas: readonly TokenLedgerEntry[],
): RuntimeCommit<Event, Body> {
  const graph = state.sessionGraph;
  const replaces = state.graphReplaceRequired || state.headRevision === undefined;
  const delta: GraphCommitDelta<Event, Body> = replaces
    ? { kind: "replaceFull", graph: copyGraph(graph) }
    : { kind: "unchanged", ...present({ leafNodeId: graph.leafNodeId }) };
  return commitFromStateWithGraph(state, delta, usageDeltas);
}

/** The same with an explicit delta. */
export function commitFromStateWithGraph<Event = SessionEvent, Body = Json>(
  state: PersistedSessionState<Event, Body>,
  delta: GraphCommitDelta<Event, Body>,
  usageDeltas: readonly TokenLedgerEntry[],
): RuntimeCommit<Event, Body> {
  const { sessionId } = state;
  if (delta.kind === "replaceFull" && state.graphIsPartial) {
    throw storeError(
      "PARTIAL_GRAPH",
      { sessionId },
      `the state of session "${sessionId}" was loaded by active path and cannot replace the full graph; load it in full first`,
    );
  }
  return {
    sessionId,
    expectedHeadRevision: state.headRevision ?? 0,
    config: configFromState(state),
    graph: delta,
    checkpoint: checkpointFromState(state),
    usageDeltas: copyLedger(usageDeltas),
  };
}

/** The leaf that the head will have after the delta. */
export function deltaLeafNodeId<Event, Body>(delta: GraphCommitDelta<Event, Body>): string | undefined {
  return delta.kind === "replaceFull" ? delta.graph.leafNodeId : delta.leafNodeId;
}

export function stateFromHead<Event = SessionEvent, Body = Json>(
  head: SessionHead<Event, Body>,
  checkpoint?: HydratedSessionCheckpoint,
): PersistedSessionState<Event, Body> {
  return {
    sessionId: head.sessionId,
    policy: policyFromConfig(head.config),
    sessionGraph: copyGraph(head.graph),
    turnIndex: 0,
    tokenUsage: emptyTokenUsage(),
    modeTurnOptions: defaultModeTurnOptions(),
    ...(checkpoint === undefined ? {} : fieldsFromCheckpoint(checkpoint)),
    tokenLedger: copyLedger(head.tokenLedger),
    ...present({ checkpointRef: head.checkpointRef }),
    headRevision: head.headRevision,
    graphReplaceRequired: false,
    graphIsPartial: false,
  };
}

export function stateFromRead<Event = SessionEvent, Body = Json>(
  read: PersistedSessionRead<Event, Body>,
): PersistedSessionState<Event, Body> {
  return { ...stateFromHead(read, read.checkpoint), graphIsPartial: read.graphIsPartial };
}

/** `undefined` when the session has no head. */
export async function loadPersistedSessionState<Event = SessionEvent, Body = Json>(
  session: SessionSource<Event, Body>,
): Promise<PersistedSessionState<Event, Body> | undefined> {
  const read = await session.loadSession({ kind: "fullGraph" });
  return read && stateFromRead(read);
}

/** The same with the nodes of one path only: of the leaf, or of the head's. */
export async function loadPersistedSessionStateActivePath<Event = SessionEvent, Body = Json>(
  session: SessionSource<Event, Body>,
  leafNodeId?: string,
): Promise<PersistedSessionState<Event, Body> | undefined> {
  const read = await session.loadSession({ kind: "activePath", ...present({ leafNodeId }) });
  return read && stateFromRead(read);
}

/** A fresh full load that keeps what only the host knows; with no head, the state as it is. */
export async function refreshPersistedSessionState<Event = SessionEvent, Body = Json>(
  session: SessionSource<Event, Body>,
  state: PersistedSessionState<Event, Body>,
): Promise<PersistedSessionState<Event, Body>> {
  const fresh = await loadPersistedSessionState(session);
  if (fresh === undefined) return state;
  const { provider, sessionId, maxTurns, prompt, autonomous } = state.policy;
  const kept = {
    provider,
    autonomous,
    ...present({ sessionId }),
    ...present({ maxTurns }),
    ...present({ prompt }),
  };
  return { ...fresh, policy: { ...fresh.policy, ...kept } };
}

/** The state after its commit was accepted: what was sent hydrated is now known by its ref. */
export function applyCommitResult<Event = SessionEvent, Body = Json>(
  state: PersistedSessionState<Event, Body>,
  result: RuntimeCommitResult,
): PersistedSessionState<Event, Body> {
  const { toolStateRef, pluginSnapshotRef, pluginSnapshotRevision, executionStateRef } = result.manifest;
  const {
    toolStateRef: _toolRef,
    toolStateGeneration,
    toolStateSnapshot,
    pluginSnapshotRef: _pluginRef,
    pluginSnapshotRevision: _pluginRevision,
    pluginSnapshot: _plugin,
    executionStateRef: _executionRef,
    executionStateSnapshot: _execution,
    ...rest
  } = state;
  const generation =
    toolStateSnapshot?.generation ?? (toolStateRef === undefined ? undefined : toolStateGeneration);
  return {
    ...rest,
    ...present({ toolStateRef }),
    ...present({ toolStateGeneration: generation }),
    ...present({ pluginSnapshotRef }),
    ...present({ pluginSnapshotRevision }),
    ...present({ executionStateRef }),
    checkpointRef: result.checkpointRef,
    headRevision: result.headRevision,
    graphReplaceRequired: false,
  };
}

/** Defaults with what a head knows; the provider is not restored. */
function policyFromConfig(config: PersistedSessionConfig): SessionPolicy {
  const { standardContextApproach: _default, ...policy } = defaultSessionPolicy();
  const { configuredModel, contextWindow, executionMode, standardContextApproach, modelVariant } = config;
  return {
    ...policy,
    model: configuredModel,
    ...present({ maxContextTokens: contextWindow > 0 ? contextWindow : undefined }),
    executionMode,
    ...present({ standardContextApproach: standardContextApproach && { ...standardContextApproach } }),
    ...present({ modelVariant }),
  };
}

function fieldsFromCheckpoint(
  checkpoint: HydratedSessionCheckpoint,
): Partial<Omit<PersistedSessionState, "sessionGraph">> & PersistedTurnState {
  const { turnIndex, tokenUsage, lastPromptUsage, modeTurnOptions } = checkpoint.turnState;
  return {
    turnIndex,
    tokenUsage: { ...tokenUsage },
    ...present({ lastPromptUsage: lastPromptUsage && { ...lastPromptUsage } }),
    modeTurnOptions: { ...modeTurnOptions },
    ...present({ toolStateRef: checkpoint.toolStateRef }),
    ...present({ toolStateGeneration: checkpoint.toolState?.generation }),
    ...present({ toolStateSnapshot: checkpoint.toolState }),
    ...present({ pluginSnapshotRef: checkpoint.pluginSnapshotRef }),
    ...present({ pluginSnapshotRevision: checkpoint.pluginSnapshotRevision }),
    ...present({ pluginSnapshot: checkpoint.pluginSnapshot }),
    ...present({ executionStateRef: checkpoint.executionStateRef }),
    ...present({ executionStateSnapshot: checkpoint.executionState }),
  };
}

function copyGraph<Event, Body>(graph: SessionGraph<Event, Body>): SessionGraph<Event, Body> {
  return { ...graph, nodes: [...graph.nodes] };
}

function copyLedger(ledger: readonly TokenLedgerEntry[]): TokenLedgerEntry[] {
  return ledger.map((entry) => ({ ...entry, usage: { ...entry.usage } }));
}

/** The members that are not undefined: "none" is an absent key. */
function present<Members extends object>(
  members: Members,
): { [Key in keyof Members]?: Exclude<Members[Key], undefined> } {
  const result: { [Key in keyof Members]?: Exclude<Members[Key], undefined> } = {};
  for (const key of Object.keys(members) as (keyof Members)[]) {
    const member = members[key];
    if (member !== undefined) result[key] = member as Exclude<Members[typeof key], undefined>;
  }
  return result;
}
