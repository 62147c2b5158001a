/**
 * Usage summed by (source, model) in first-seen order. Entries whose four counters are all zero never get
 * here: they neither appear nor fix an order.
 */
import { MAX_COUNTER } from "../limits.ts";
import type { TokenLedgerEntry, TokenUsage } from "./types.ts";

export interface UsageOverflow {
  readonly source: string;
  readonly model: string;
  readonly counter: keyof TokenUsage;
}

export type LedgerSum =
  | { readonly kind: "sum"; readonly ledger: readonly TokenLedgerEntry[] }
  | { readonly kind: "overflow"; readonly overflow: UsageOverflow };

/** Deltas up to which looking through the ledger for each is cheaper than an index. */
const MAX_SCANNED_DELTAS = 4;

/** The ledger with the deltas added; neither argument changes. */
export function addUsage(
  ledger: readonly TokenLedgerEntry[],
  deltas: readonly TokenLedgerEntry[],
): LedgerSum {
  if (deltas.length === 0) return { kind: "sum", ledger };
  const sums = [...ledger];
  const find = deltas.length <= MAX_SCANNED_DELTAS ? scanning(sums) : indexed(sums);
  for (const { source, model, usage } of deltas) {
    const position = find(source, model);
    const before = sums[position]?.usage;
    const sum = before === undefined ? { ...usage } : addCounters(before, usage);
    const counter = overflowing(sum);
    if (counter !== undefined) return { kind: "overflow", overflow: { source, model, counter } };
    sums[position] = { source, model, usage: sum };
  }
  return { kind: "sum", ledger: sums };
}

/** Position of an entry; that of the next new one if there is none. */
type Find = (source: string, model: string) => number;

function scanning(sums: readonly TokenLedgerEntry[]): Find {
  return (source, model) => {
    const position = sums.findIndex((entry) => entry.source === source && entry.model === model);
    return position < 0 ? sums.length : position;
  };
}

function indexed(sums: readonly TokenLedgerEntry[]): Find {
  // The length in front keeps ("a", "bc") and ("ab", "c") apart.
  const keyOf = (source: string, model: string) => `${source.length}:${source}${model}`;
  const positions = new Map(sums.map(({ source, model }, i) => [keyOf(source, model), i]));
  return (source, model) => {
    const key = keyOf(source, model);
    const known = positions.get(key);
    if (known !== undefined) return known;
    positions.set(key, sums.length);
    return sums.length;
  };
}

function addCounters(a: TokenUsage, b: TokenUsage): TokenUsage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedInputTokens: a.cachedInputTokens + b.cachedInputTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
  };
}

function overflowing(usage: TokenUsage): keyof TokenUsage | undefined {
  if (usage.inputTokens > MAX_COUNTER) return "inputTokens";
  if (usage.outputTokens > MAX_COUNTER) return "outputTokens";
  if (usage.cachedInputTokens > MAX_COUNTER) return "cachedInputTokens";
  return usage.reasoningTokens > MAX_COUNTER ? "reasoningTokens" : undefined;
}
