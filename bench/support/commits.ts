/** The commit that all subjects make durable: one message of about 1 KB appended to a session's chain. */
import type { RuntimeCommit, SessionNodeRecord } from "../../src/index.ts";

const SENTENCE = "The quick brown fox jumps over the lazy dog. ";
/** With ids and fields around it, the encoded commit is about 1 KB. */
const TEXT_CHARS = 780;
const texts = new Map<number, string>();

/** Text of so many characters, built once: what is timed is the commit, not the making of its text. */
export function textOf(chars: number): string {
  let text = texts.get(chars);
  if (text === undefined) {
    text = SENTENCE.repeat(Math.ceil(chars / SENTENCE.length)).slice(0, chars);
    texts.set(chars, text);
  }
  return text;
}

export function sessionOf(committer: number): string {
  return `session-${committer}`;
}

export function nodeOf(step: number, chars = TEXT_CHARS, text = textOf(chars)): SessionNodeRecord {
  const nodeId = `m${step}`;
  return {
    nodeId,
    ...(step === 0 ? {} : { parentNodeId: `m${step - 1}` }),
    timestamp: "2026-01-01T00:00:00Z",
    kind: "event",
    event: {
      conversation: {
        id: nodeId,
        role: step % 2 === 0 ? "User" : "Assistant",
        parts: [{ id: "p", kind: "Text", content: text, pruneState: "Intact" }],
      },
    },
  };
}

/** Commit number `step` (from 0) of a chain: compare-and-set on the revision, one node behind the last. */
export function commitOf(sessionId: string, step: number, chars = TEXT_CHARS): RuntimeCommit {
  return {
    sessionId,
    expectedHeadRevision: step,
    config: { providerId: "p", configuredModel: "m", contextWindow: 200_000, executionMode: "standard" },
    graph: { kind: "append", nodes: [nodeOf(step, chars)], leafNodeId: `m${step}` },
    checkpoint: {
      turnState: {
        turnIndex: step,
        tokenUsage: { inputTokens: step, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 },
        modeTurnOptions: { modeId: "standard", payload: {} },
      },
    },
    usageDeltas: [],
  };
}
