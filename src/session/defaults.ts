/** The contract's defaults, as factories: every call answers a new value. */
import type {
  ModeTurnOptions,
  PersistedSessionConfig,
  PersistedSessionState,
  SessionGraph,
  SessionHead,
  SessionHeadMeta,
  SessionPolicy,
  TokenUsage,
} from "./types.ts";

export const DEFAULT_SESSION_ID = "root";
export const DEFAULT_EXECUTION_MODE = "standard";
/** Share of the reflection buffer at which it activates, in basis points; the one field that may be left out. */
export const DEFAULT_REFLECTION_ACTIVATION_BPS = 5000;

export function emptyTokenUsage(): TokenUsage {
  return { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };
}

export function defaultModeTurnOptions(): ModeTurnOptions {
  return { modeId: DEFAULT_EXECUTION_MODE, payload: {} };
}

export function emptySessionGraph(): SessionGraph {
  return { nodes: [] };
}

export function defaultSessionConfig(): PersistedSessionConfig {
  return { providerId: "", configuredModel: "", contextWindow: 0, executionMode: DEFAULT_EXECUTION_MODE };
}

export function defaultSessionPolicy(): SessionPolicy {
  return {
    model: "",
    provider: { kind: "unconfigured" },
    autonomous: false,
    executionMode: DEFAULT_EXECUTION_MODE,
    standardContextApproach: { kind: "rolling_history" },
  };
}

export function defaultSessionState(): PersistedSessionState {
  return {
    sessionId: DEFAULT_SESSION_ID,
    policy: defaultSessionPolicy(),
    sessionGraph: emptySessionGraph(),
    turnIndex: 0,
    tokenUsage: emptyTokenUsage(),
    modeTurnOptions: defaultModeTurnOptions(),
    tokenLedger: [],
    graphReplaceRequired: false,
    graphIsPartial: false,
  };
}

export function emptySessionHead(): SessionHead {
  return {
    sessionId: DEFAULT_SESSION_ID,
    headRevision: 0,
    graph: emptySessionGraph(),
    config: defaultSessionConfig(),
    tokenLedger: [],
  };
}

export function emptySessionHeadMeta(): SessionHeadMeta {
  return {
    sessionId: DEFAULT_SESSION_ID,
    headRevision: 0,
    config: defaultSessionConfig(),
    graphNodeCount: 0,
    tokenLedger: [],
  };
}
