/**
 * The canonical bytes of the usual checkpoint manifest, one whose mode has an empty payload: every key is known,
 * so the map is written directly, keys in code-point order. A test compares it with the codec's canonical encoding.
 */
import { PLAIN } from "../codec.ts";
import { MsgpackWriter } from "../msgpack-writer.ts";
import type { PromptUsage, SessionCheckpoint, TokenUsage } from "./types.ts";

/** `scratch.ts` rewinds it. */
export const manifestWriter = new MsgpackWriter("kept");
const writer = manifestWriter;

/** A view of a shared slab, valid until that is rewound. The mode's payload must be an empty map and its id well-formed. */
export function writeManifest(checkpoint: SessionCheckpoint): Uint8Array {
  const { executionStateRef, pluginSnapshotRef, pluginSnapshotRevision, toolStateRef } = checkpoint;
  const { lastPromptUsage, modeTurnOptions, tokenUsage, turnIndex } = checkpoint.turnState;
  writer.begin();
  writer.byte(PLAIN);
  const optional = [executionStateRef, pluginSnapshotRef, pluginSnapshotRevision, toolStateRef];
  writer.map(1 + countGiven(optional));
  writeRef("executionStateRef", executionStateRef);
  writeRef("pluginSnapshotRef", pluginSnapshotRef);
  if (pluginSnapshotRevision !== undefined) {
    writer.text("pluginSnapshotRevision");
    writer.bigint(pluginSnapshotRevision);
  }
  writeRef("toolStateRef", toolStateRef);
  writer.text("turnState");
  writer.map(lastPromptUsage === undefined ? 3 : 4);
  if (lastPromptUsage !== undefined) writePromptUsage(lastPromptUsage);
  writer.text("modeTurnOptions");
  writer.map(2);
  writer.text("modeId");
  writer.text(modeTurnOptions.modeId);
  writer.text("payload");
  writer.map(0);
  writeTokenUsage(tokenUsage);
  writeCounter("turnIndex", turnIndex);
  return writer.end();
}

function countGiven(values: readonly unknown[]): number {
  let count = 0;
  for (const value of values) if (value !== undefined) count++;
  return count;
}

function writeRef(key: string, ref: string | undefined): void {
  if (ref === undefined) return;
  writer.text(key);
  writer.text(ref);
}

function writePromptUsage(usage: PromptUsage): void {
  writer.text("lastPromptUsage");
  writer.map(4);
  writeCounter("cachedInputTokens", usage.cachedInputTokens);
  writeCounter("contextBudgetTokens", usage.contextBudgetTokens);
  writeCounter("inputTokens", usage.inputTokens);
  writeCounter("promptContextTokens", usage.promptContextTokens);
}

function writeTokenUsage(usage: TokenUsage): void {
  writer.text("tokenUsage");
  writer.map(4);
  writeCounter("cachedInputTokens", usage.cachedInputTokens);
  writeCounter("inputTokens", usage.inputTokens);
  writeCounter("outputTokens", usage.outputTokens);
  writeCounter("reasoningTokens", usage.reasoningTokens);
}

function writeCounter(key: string, value: number): void {
  writer.text(key);
  writer.integer(value);
}
