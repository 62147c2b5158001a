/**
 * What a session must hold after the steps that were sent: a second, deliberately plain implementation of the
 * contract's meaning, written against its text. It shares nothing with the store but the types, keeps values
 * instead of refs, and is as slow as it likes.
 */
import type {
  HydratedSessionCheckpoint,
  PersistedSessionConfig,
  PersistedTurnState,
  PluginSessionSnapshot,
  SessionMeta,
  SessionNodeRecord,
  TokenLedgerEntry,
  ToolState,
} from "../../session/types.ts";
import type { Change } from "./components.ts";
import type { AfterAction, Step } from "./script.ts";

/** The values of a checkpoint; refs are the store's affair. */
export type ExpectedCheckpoint = Omit<
  HydratedSessionCheckpoint,
  "toolStateRef" | "pluginSnapshotRef" | "executionStateRef"
>;

export interface ExpectedPicker {
  readonly firstUserMessage: string;
  readonly userMessageCount: number;
}

/** Characters of the first user message that a listing shows. */
const PICKER_TEXT = 1_024;

export class SessionModel {
  revision = 0;
  meta: SessionMeta | undefined;
  config: PersistedSessionConfig | undefined;
  leafNodeId: string | undefined;
  #nodes = new Map<string, SessionNodeRecord>();
  readonly #ledger = new Map<string, TokenLedgerEntry>();
  #turnState: PersistedTurnState | undefined;
  #toolState: ToolState | undefined;
  #pluginSnapshot: PluginSessionSnapshot | undefined;
  #pluginSnapshotRevision: bigint | undefined;
  #executionState: Uint8Array | undefined;

  /** The commit of a step, without the calls that follow it. */
  commit(step: Step): void {
    const { graph, components } = step;
    if (step.revision !== this.revision + 1) throw new Error(`step ${step.revision} after ${this.revision}`);
    this.revision = step.revision;
    this.config = step.config;
    if (graph.kind === "replaceFull") {
      this.#nodes = new Map(graph.graph.nodes.map((node) => [node.nodeId, node]));
      this.leafNodeId = graph.graph.leafNodeId;
    } else {
      if (graph.kind === "append") for (const node of graph.nodes) this.#nodes.set(node.nodeId, node);
      this.leafNodeId = graph.leafNodeId;
    }
    for (const row of step.usage) this.#spend(row);
    this.#turnState = step.turnState;
    this.#toolState = changed(this.#toolState, components.toolState);
    this.#pluginSnapshot = changed(this.#pluginSnapshot, components.pluginSnapshot);
    this.#pluginSnapshotRevision = components.pluginSnapshotRevision;
    this.#executionState = changed(this.#executionState, components.executionState);
  }

  /** One of the calls behind a step. */
  act(action: AfterAction): void {
    if (action.kind === "meta") this.meta = action.meta;
    if (action.kind === "tombstone") for (const nodeId of action.nodeIds) this.#nodes.delete(nodeId);
    // A vacuum removes what no read shows any more.
  }

  /** Live nodes in insertion order. */
  nodes(): readonly SessionNodeRecord[] {
    return [...this.#nodes.values()];
  }

  /** From the root to the leaf. */
  activePath(): readonly SessionNodeRecord[] {
    const path: SessionNodeRecord[] = [];
    let at = this.leafNodeId;
    while (at !== undefined) {
      const node = this.#nodes.get(at);
      if (node === undefined) break;
      path.push(node);
      at = node.parentNodeId;
    }
    return path.reverse();
  }

  ledger(): readonly TokenLedgerEntry[] {
    return [...this.#ledger.values()];
  }

  checkpoint(): ExpectedCheckpoint | undefined {
    if (this.#turnState === undefined) return undefined;
    return {
      turnState: this.#turnState,
      ...(this.#toolState === undefined ? {} : { toolState: this.#toolState }),
      ...(this.#pluginSnapshot === undefined ? {} : { pluginSnapshot: this.#pluginSnapshot }),
      ...(this.#pluginSnapshotRevision === undefined
        ? {}
        : { pluginSnapshotRevision: this.#pluginSnapshotRevision }),
      ...(this.#executionState === undefined ? {} : { executionState: this.#executionState }),
    };
  }

  picker(): ExpectedPicker {
    const texts = this.nodes()
      .map(userText)
      .filter((text) => text !== undefined);
    return { firstUserMessage: firstCharacters(texts[0] ?? ""), userMessageCount: texts.length };
  }

  #spend(row: TokenLedgerEntry): void {
    const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = row.usage;
    if (inputTokens + outputTokens + cachedInputTokens + reasoningTokens === 0) return;
    const key = JSON.stringify([row.source, row.model]);
    const sum = this.#ledger.get(key)?.usage;
    const usage = {
      inputTokens: inputTokens + (sum?.inputTokens ?? 0),
      outputTokens: outputTokens + (sum?.outputTokens ?? 0),
      cachedInputTokens: cachedInputTokens + (sum?.cachedInputTokens ?? 0),
      reasoningTokens: reasoningTokens + (sum?.reasoningTokens ?? 0),
    };
    this.#ledger.set(key, { source: row.source, model: row.model, usage });
  }
}

function changed<Value>(before: Value | undefined, change: Change<Value>): Value | undefined {
  if (change.kind === "send") return change.value;
  return change.kind === "carry" ? before : undefined;
}

/** What a listing shows of a user's message; undefined for any other node, tool results among them. */
function userText(node: SessionNodeRecord): string | undefined {
  if (node.kind !== "event" || !("conversation" in node.event)) return undefined;
  const { conversation } = node.event;
  if (typeof conversation !== "object" || conversation === null || !("parts" in conversation))
    return undefined;
  if (conversation.role !== "User" || !Array.isArray(conversation.parts)) return undefined;
  const said = conversation.parts.filter((part) => part.kind !== "ToolCall" && part.kind !== "ToolResult");
  if (said.length === 0) return undefined;
  return said
    .map((part) => (part.kind === "Image" ? "[Image attached]" : part.content))
    .join("\n\n")
    .trim();
}

/** At most PICKER_TEXT characters, and no pair of surrogates cut in half. */
function firstCharacters(text: string): string {
  if (text.length <= PICKER_TEXT) return text;
  const cutsPair = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(PICKER_TEXT - 1, PICKER_TEXT + 1));
  return text.slice(0, cutsPair ? PICKER_TEXT - 1 : PICKER_TEXT);
}
