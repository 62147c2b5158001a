/** Checks and normalises the configuration and the usage of a commit. The result aliases nothing. */
import { DEFAULT_EXECUTION_MODE, DEFAULT_REFLECTION_ACTIVATION_BPS } from "./defaults.ts";
import { below, commitShape as shape } from "./shape.ts";
import type {
  PersistedSessionConfig,
  PromptUsage,
  StandardContextApproach,
  TokenLedgerEntry,
  TokenUsage,
} from "./types.ts";

const CONFIG = [
  "providerId",
  "configuredModel",
  "contextWindow",
  "executionMode",
  "standardContextApproach",
  "modelVariant",
];
const OBSERVATIONAL_MEMORY = [
  "kind",
  "observationMessageTokens",
  "observationBufferTokens",
  "observationBlockAfterTokens",
  "observationMaxTokensPerBatch",
  "previousObserverTokens",
  "reflectionObservationTokens",
  "reflectionBufferActivationBps",
  "reflectionBlockAfterTokens",
];
const TOKEN_USAGE = ["inputTokens", "outputTokens", "cachedInputTokens", "reasoningTokens"];
const PROMPT_USAGE = ["promptContextTokens", "inputTokens", "cachedInputTokens", "contextBudgetTokens"];
const LEDGER_ENTRY = ["source", "model", "usage"];

export function prepareConfig(value: unknown): PersistedSessionConfig {
  const path = "config";
  const fields = shape.open(value, path, CONFIG);
  const config: PersistedSessionConfig = {
    providerId: shape.text(fields, path, "providerId"),
    configuredModel: shape.text(fields, path, "configuredModel"),
    contextWindow: shape.counter(fields, path, "contextWindow"),
    executionMode: shape.optionalText(fields, path, "executionMode") ?? DEFAULT_EXECUTION_MODE,
  };
  const approach = shape.get(fields, path, "standardContextApproach");
  if (approach !== undefined) {
    config.standardContextApproach = prepareApproach(approach, "config.standardContextApproach");
  }
  const variant = shape.optionalText(fields, path, "modelVariant");
  if (variant !== undefined) config.modelVariant = variant;
  return config;
}

function prepareApproach(value: unknown, path: string): StandardContextApproach {
  const fields = shape.map(value, path);
  const kind = shape.get(fields, path, "kind");
  if (kind === "rolling_history") {
    shape.only(fields, path, ["kind"]);
    return { kind };
  }
  if (kind !== "observational_memory") {
    return shape.fail(below(path, "kind"), 'must be "rolling_history" or "observational_memory"');
  }
  shape.only(fields, path, OBSERVATIONAL_MEMORY);
  const bps = shape.optionalCounter(fields, path, "reflectionBufferActivationBps");
  return {
    kind,
    observationMessageTokens: shape.counter(fields, path, "observationMessageTokens"),
    observationBufferTokens: shape.counter(fields, path, "observationBufferTokens"),
    observationBlockAfterTokens: shape.counter(fields, path, "observationBlockAfterTokens"),
    observationMaxTokensPerBatch: shape.counter(fields, path, "observationMaxTokensPerBatch"),
    previousObserverTokens: shape.counter(fields, path, "previousObserverTokens"),
    reflectionObservationTokens: shape.counter(fields, path, "reflectionObservationTokens"),
    reflectionBufferActivationBps: bps ?? DEFAULT_REFLECTION_ACTIVATION_BPS,
    reflectionBlockAfterTokens: shape.counter(fields, path, "reflectionBlockAfterTokens"),
  };
}

/** Keys in code-point order, as the canonical encoding of a checkpoint wants them. */
export function prepareTokenUsage(value: unknown, path: string): TokenUsage {
  if (value === undefined) {
    return { cachedInputTokens: 0, inputTokens: 0, outputTokens: 0, reasoningTokens: 0 };
  }
  const fields = shape.open(value, path, TOKEN_USAGE);
  return {
    cachedInputTokens: shape.counterOrZero(fields, path, "cachedInputTokens"),
    inputTokens: shape.counterOrZero(fields, path, "inputTokens"),
    outputTokens: shape.counterOrZero(fields, path, "outputTokens"),
    reasoningTokens: shape.counterOrZero(fields, path, "reasoningTokens"),
  };
}

/** Keys in code-point order, as above. */
export function preparePromptUsage(value: unknown, path: string): PromptUsage {
  const fields = shape.open(value, path, PROMPT_USAGE);
  return {
    cachedInputTokens: shape.counterOrZero(fields, path, "cachedInputTokens"),
    contextBudgetTokens: shape.counterOrZero(fields, path, "contextBudgetTokens"),
    inputTokens: shape.counterOrZero(fields, path, "inputTokens"),
    promptContextTokens: shape.counterOrZero(fields, path, "promptContextTokens"),
  };
}

/** Every entry, all-zero ones included. */
export function prepareUsageDeltas(value: unknown): TokenLedgerEntry[] {
  const entries: TokenLedgerEntry[] = [];
  const items = shape.list(value, "usageDeltas");
  for (let i = 0; i < items.length; i++) {
    const path = `usageDeltas[${i}]`;
    const fields = shape.open(items[i], path, LEDGER_ENTRY);
    const usage = shape.get(fields, path, "usage");
    if (usage === undefined) shape.fail(`${path}.usage`, "must be given");
    entries.push({
      source: shape.text(fields, path, "source"),
      model: shape.text(fields, path, "model"),
      usage: prepareTokenUsage(usage, `${path}.usage`),
    });
  }
  return entries;
}
