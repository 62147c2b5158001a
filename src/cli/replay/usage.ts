/**
 * What the entries of a session say about models and tokens: the usage a turn adds to the ledger, the turn
 * state of the next commit, and the configuration in force. Sums nothing over the whole session; that is
 * the store's task, and the model's to check.
 */
import type {
  PersistedSessionConfig,
  PersistedTurnState,
  PromptUsage,
  TokenLedgerEntry,
  TokenUsage,
} from "../../session/types.ts";
import type { SourceEntry } from "./source.ts";
import { isObject, type JsonObject } from "./transcript.ts";
import { messageOf } from "./turn.ts";

const NONE: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 };

export class TurnUsage {
  #open: TokenLedgerEntry[] = [];
  #turn: TokenUsage = NONE;
  #lastPrompt: PromptUsage | undefined;

  /** Takes note of an entry and answers the configuration after it. */
  observe(entry: SourceEntry, config: PersistedSessionConfig): PersistedSessionConfig {
    const { raw } = entry;
    if (entry.type === "model_change")
      return { ...config, providerId: String(raw.provider), configuredModel: String(raw.modelId) };
    if (entry.type === "thinking_level_change") return withLevel(config, String(raw.thinkingLevel));
    const message = messageOf(entry);
    if (message?.role === "user") this.#turn = NONE;
    if (message?.role !== "assistant") return config;
    const model = typeof message.model === "string" ? message.model : config.configuredModel;
    if (isObject(message.usage)) this.#add(model, message.usage, config.contextWindow);
    return { ...config, configuredModel: model };
  }

  /** The ledger rows of the turn that ends; models that reported nothing have rows of zeros. */
  take(): readonly TokenLedgerEntry[] {
    const rows = this.#open;
    this.#open = [];
    return rows;
  }

  turnState(turnIndex: number, level: string | undefined): PersistedTurnState {
    const payload = level === undefined ? {} : { thinkingLevel: level };
    return {
      turnIndex,
      tokenUsage: this.#turn,
      ...(this.#lastPrompt === undefined ? {} : { lastPromptUsage: this.#lastPrompt }),
      modeTurnOptions: { modeId: "standard", payload },
    };
  }

  #add(model: string, usage: JsonObject, contextBudgetTokens: number): void {
    const count = (key: string) => (typeof usage[key] === "number" ? usage[key] : 0);
    const inputTokens = count("input") + count("cacheWrite");
    const cachedInputTokens = count("cacheRead");
    const row = { inputTokens, outputTokens: count("output"), cachedInputTokens, reasoningTokens: 0 };
    this.#open.push({ source: "turn", model, usage: row });
    this.#turn = {
      inputTokens: this.#turn.inputTokens + inputTokens,
      outputTokens: this.#turn.outputTokens + row.outputTokens,
      cachedInputTokens: this.#turn.cachedInputTokens + cachedInputTokens,
      reasoningTokens: 0,
    };
    const promptContextTokens = inputTokens + cachedInputTokens;
    this.#lastPrompt = { promptContextTokens, inputTokens, cachedInputTokens, contextBudgetTokens };
  }
}

function withLevel(config: PersistedSessionConfig, level: string): PersistedSessionConfig {
  const { modelVariant: _previous, ...rest } = config;
  return level === "off" ? rest : { ...rest, modelVariant: level };
}
