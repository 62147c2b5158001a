/**
 * Histories written by hand. A story names calls and answers as a test's author thinks of them; it asks no
 * store. What an answer "should" be is told by the test, never taken from the checker.
 */
import type { RuntimeCommit } from "../../../src/session/types.ts";
import type { Ending, MetaSeen, SessionSeen, UsageSeen, Value } from "../../../src/testing/history/events.ts";
import { History } from "../../../src/testing/history/history.ts";
import { recordCommit, recordNode } from "../../../src/testing/history/record.ts";
import { append, checkpoint, commit, messageNode, toolState } from "../../support/builders.ts";

export const ADDRESS = /^[0-9a-f]{64}$/;

/** A commit that appends `node` below the leaf `parent`, and the state a read shows after it. */
export interface Step {
  readonly commit: RuntimeCommit;
  readonly seen: SessionSeen;
}

/** Commits r = 1, 2, … of one session: commit r appends n<r> below n<r-1>, tool state r, one input token. */
export function steps(count: number, sessionId = "s"): Step[] {
  const made: Step[] = [];
  for (let revision = 1; revision <= count; revision++) {
    const node = messageNode(`n${revision}`, revision === 1 ? undefined : `n${revision - 1}`);
    const value = commit({
      sessionId,
      expectedHeadRevision: revision - 1,
      operationId: `op-${revision}`,
      graph: append([node], node.nodeId),
      checkpoint: checkpoint({ toolState: toolState(revision) }),
      usageDeltas: [
        {
          source: "turn",
          model: "m",
          usage: { inputTokens: 1, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
        },
      ],
    });
    made.push({ commit: value, seen: seenAfter(made.at(-1)?.seen, value, revision) });
  }
  return made;
}

function seenAfter(before: SessionSeen | undefined, value: RuntimeCommit, revision: number): SessionSeen {
  const call = recordCommit(value);
  const tool = call.components.toolState;
  const ledger: UsageSeen = { key: '"turn", "m"', counters: [revision, 0, 0, 0] };
  return {
    revision,
    config: call.config,
    nodes: [...(before?.nodes ?? []), ...call.nodes],
    leaf: call.leaf,
    turn: call.turn,
    refs: tool === undefined ? {} : { toolState: tool.ref },
    values: tool?.value === undefined ? {} : { toolState: tool.value },
    ledger: [ledger],
    wrongAddress: undefined,
  };
}

export class Story {
  readonly history = new History();

  constructor() {
    this.history.opened();
  }

  /** A commit and its answer; `revision` is what the store says, `replayed` likewise. */
  commits(step: Step, revision: number, fields: { replayed?: boolean; carrying?: RuntimeCommit } = {}): void {
    this.commitAnswered(this.sends(step.commit), step, { revision, ...fields });
  }

  sends(value: RuntimeCommit): number {
    return this.history.invoked(value.sessionId, recordCommit(value));
  }

  commitAnswered(id: number, step: Step, fields: { revision: number; replayed?: boolean }): void {
    const { revision, replayed = false } = fields;
    const { turn, refs } = step.seen;
    const answer = { revision, replayed, turn, refs, checkpointRef: "", wrongAddress: undefined };
    this.history.answered(id, { kind: "commit", commit: answer });
  }

  reads(seen: SessionSeen | undefined, sessionId = "s"): void {
    const id = this.history.invoked(sessionId, { kind: "load", scope: "fullGraph", leaf: undefined });
    this.history.answered(id, { kind: "session", session: seen });
  }

  asks(call: Parameters<History["invoked"]>[1], value: Value, sessionId = "s"): void {
    this.history.answered(this.history.invoked(sessionId, call), value);
  }

  refuses(call: Parameters<History["invoked"]>[1], error: unknown, sessionId = "s"): void {
    this.history.failed(this.history.invoked(sessionId, call), error);
  }

  reopens(how: Ending): void {
    this.history.ended(how);
    this.history.opened();
  }
}

export function meta(sessionId: string): MetaSeen {
  return { value: `meta of ${sessionId}`, cwd: undefined, parent: undefined };
}

export { recordCommit, recordNode };
