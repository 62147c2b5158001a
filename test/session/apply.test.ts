/**
 * Random sequences of operations against a naive model that stores plain arrays and recomputes everything,
 * and the promise that the encoded records alone give the same state.
 */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import fc from "fast-check";
import { isStoreError, type StoreErrorCode } from "../../src/errors.ts";
import { apply } from "../../src/session/apply.ts";
import { readNode } from "../../src/session/read.ts";
import { decodeRecord, encodeRecord, type SessionRecord } from "../../src/session/record.ts";
import { emptySession, type SessionState } from "../../src/session/state.ts";
import type { GraphPolicy, SessionNodeRecord, TokenLedgerEntry } from "../../src/session/types.ts";
import { append, commitOf, message, node, replaceFull, SESSION, SessionBench } from "./session-bench.ts";

// --- the model ----------------------------------------------------------------------------------------

type Step =
  | {
      kind: "append" | "replaceFull";
      nodes: SessionNodeRecord[];
      leaf: string | undefined;
      expected: number | undefined;
      operationId: string | undefined;
      usage: TokenLedgerEntry[];
    }
  | { kind: "unchanged"; leaf: string | undefined }
  | { kind: "tombstone"; ids: string[] }
  | { kind: "vacuum" }
  | { kind: "meta"; name: string }
  | { kind: "delete" };

interface Stored {
  node: SessionNodeRecord;
  hidden: boolean;
}

class Refused extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode) {
    super(code);
    this.code = code;
  }
}

class Model {
  stored: Stored[] = [];
  leaf: string | undefined;
  revision = 0;
  usage: TokenLedgerEntry[] = [];
  meta: string | undefined;
  deleted = false;
  operations = new Map<string, { content: string; revision: number }>();

  run(step: Step, policy: GraphPolicy): unknown {
    if (step.kind === "delete") {
      const used = this.deleted || this.revision > 0 || this.meta !== undefined;
      if (used) Object.assign(this, new Model(), { deleted: true });
      return used;
    }
    if (this.deleted) throw new Refused("SESSION_DELETED");
    switch (step.kind) {
      case "tombstone":
        return this.tombstone(step.ids, policy);
      case "vacuum": {
        const removedNodeCount = this.stored.filter(({ hidden }) => hidden).length;
        this.stored = this.stored.filter(({ hidden }) => !hidden);
        return { removedNodeCount };
      }
      case "meta":
        this.meta = step.name;
        return undefined;
      case "unchanged":
        this.check(this.stored, [], step.leaf, policy);
        this.leaf = step.leaf;
        return ++this.revision;
      default:
        return this.commit(step, policy);
    }
  }

  commit(step: Extract<Step, { kind: "append" | "replaceFull" }>, policy: GraphPolicy): unknown {
    const { operationId, ...rest } = step;
    const content = JSON.stringify(rest);
    const known = operationId === undefined ? undefined : this.operations.get(operationId);
    if (known !== undefined) {
      if (known.content !== content) throw new Refused("OPERATION_CONFLICT");
      return known.revision;
    }
    if (step.expected !== undefined && step.expected !== this.revision)
      throw new Refused("HEAD_REVISION_CONFLICT");
    const base = step.kind === "append" ? this.stored : [];
    const ids = [...base.map(({ node }) => node.nodeId), ...step.nodes.map(({ nodeId }) => nodeId)];
    if (new Set(ids).size < ids.length) throw new Refused("NODE_ID_COLLISION");
    const after = [...base, ...step.nodes.map((node) => ({ node, hidden: false }))];
    this.check(after, step.nodes, step.leaf, policy);
    this.stored = after;
    this.leaf = step.leaf;
    this.usage.push(...step.usage);
    this.revision++;
    if (operationId !== undefined) this.operations.set(operationId, { content, revision: this.revision });
    return this.revision;
  }

  check(after: Stored[], added: SessionNodeRecord[], leaf: string | undefined, policy: GraphPolicy): void {
    const parentOf = (id: string | undefined) =>
      after.find(({ node }) => node.nodeId === id)?.node.parentNodeId;
    for (const { node } of after) {
      let at: string | undefined = node.nodeId;
      for (let i = 0; i <= after.length && at !== undefined; i++) at = parentOf(at);
      if (at !== undefined) throw new Refused("INVALID_GRAPH");
    }
    if (policy === "permissive") return;
    const live = after.filter(({ hidden }) => !hidden).map(({ node }) => node.nodeId);
    for (const id of [...added.map(({ parentNodeId }) => parentNodeId), leaf]) {
      if (id !== undefined && !live.includes(id)) throw new Refused("INVALID_GRAPH");
    }
  }

  tombstone(ids: string[], policy: GraphPolicy): void {
    const path = this.path(this.leaf).map(({ nodeId }) => nodeId);
    const named = this.live().filter(({ nodeId }) => ids.includes(nodeId));
    for (const { nodeId } of named) {
      const child = this.live().find((other) => other.parentNodeId === nodeId && !ids.includes(other.nodeId));
      if (policy === "strict" && (child !== undefined || path.includes(nodeId)))
        throw new Refused("NODE_IN_USE");
    }
    for (const each of this.stored) if (ids.includes(each.node.nodeId)) each.hidden = true;
  }

  live(): SessionNodeRecord[] {
    return this.stored.filter(({ hidden }) => !hidden).map(({ node }) => node);
  }

  path(leaf: string | undefined): SessionNodeRecord[] {
    const found = this.live().find(({ nodeId }) => nodeId === leaf);
    return found === undefined ? [] : [...this.path(found.parentNodeId), found];
  }

  ledger(): TokenLedgerEntry[] {
    const rows: TokenLedgerEntry[] = [];
    for (const { source, model, usage } of this.usage) {
      if (Object.values(usage).every((counter) => counter === 0)) continue;
      let row = rows.find((each) => each.source === source && each.model === model);
      if (row === undefined) {
        row = {
          source,
          model,
          usage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
        };
        rows.push(row);
      }
      for (const key of Object.keys(usage) as (keyof typeof usage)[]) row.usage[key] += usage[key];
    }
    return rows;
  }

  picker() {
    const texts = this.live().flatMap((each) => {
      const event = each.kind === "event" ? each.event : {};
      const { role, parts } = (
        event as { conversation?: { role: string; parts: { kind: string; content: string }[] } }
      ).conversation ?? { role: "", parts: [] };
      if (role !== "User" || parts.every(({ kind }) => kind.startsWith("Tool"))) return [];
      return [parts.map(({ content }) => content).join()];
    });
    return { firstUserMessage: texts[0] ?? "", userMessageCount: texts.length };
  }
}

// --- arbitrary steps -----------------------------------------------------------------------------------

const IDS = ["a", "b", "c", "d", "e"];
const id = fc.constantFrom(...IDS);
const leaf = fc.option(id, { nil: undefined, freq: 3 });
const nodes = fc.array(
  fc
    .tuple(id, leaf, fc.constantFrom("note", "user", "assistant", "tool"), fc.constantFrom("hi", "there", ""))
    .map(([nodeId, parent, kind, text]) => {
      const options = parent === undefined ? {} : { parent };
      if (kind === "note") return node(nodeId, parent);
      if (kind === "tool") return message(nodeId, text, { ...options, kind: "ToolResult" });
      return message(nodeId, text, { ...options, role: kind === "user" ? "User" : "Assistant" });
    }),
  { maxLength: 4 },
);
const usage = fc.array(
  fc.record({
    source: fc.constantFrom("turn", "tool"),
    model: fc.constantFrom("m", "n"),
    usage: fc.record({
      inputTokens: fc.nat(2),
      outputTokens: fc.nat(1),
      cachedInputTokens: fc.nat(1),
      reasoningTokens: fc.nat(1),
    }),
  }),
  { maxLength: 3 },
);
const commitStep = fc.record({
  kind: fc.constantFrom("append" as const, "append" as const, "replaceFull" as const),
  nodes,
  leaf,
  expected: fc.option(fc.nat(6), { nil: undefined, freq: 8 }),
  operationId: fc.option(fc.constantFrom("op1", "op2"), { nil: undefined, freq: 5 }),
  usage,
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: commitStep, weight: 30 },
  { arbitrary: fc.record({ kind: fc.constant("unchanged" as const), leaf }), weight: 8 },
  {
    arbitrary: fc.record({ kind: fc.constant("tombstone" as const), ids: fc.array(id, { maxLength: 3 }) }),
    weight: 15,
  },
  { arbitrary: fc.constant({ kind: "vacuum" as const }), weight: 8 },
  {
    arbitrary: fc.record({ kind: fc.constant("meta" as const), name: fc.constantFrom("x", "\ud800") }),
    weight: 1,
  },
  { arbitrary: fc.constant({ kind: "delete" as const }), weight: 1 },
);

function runOn(bench: SessionBench, step: Step): unknown {
  switch (step.kind) {
    case "tombstone":
      return bench.tombstone(...step.ids);
    case "vacuum":
      return bench.vacuum();
    case "meta":
      return bench.saveMeta({ sessionId: SESSION, sessionName: step.name, createdAt: "t", model: "m" });
    case "delete":
      return bench.delete();
    case "unchanged":
      return bench.commit(
        commitOf({
          graph: { kind: "unchanged", ...(step.leaf === undefined ? {} : { leafNodeId: step.leaf }) },
        }),
      ).headRevision;
    default: {
      const { graph } =
        step.kind === "append" ? append(step.nodes, step.leaf) : replaceFull(step.nodes, step.leaf);
      const fields = {
        graph,
        usageDeltas: step.usage,
        expectedHeadRevision: step.expected,
        operationId: step.operationId,
      };
      return bench.commit({ ...commitOf(), ...fields }).headRevision;
    }
  }
}

function outcome(work: () => unknown): unknown {
  try {
    return { answer: work() };
  } catch (error) {
    if (error instanceof Refused || isStoreError(error)) return { refused: error.code };
    throw error;
  }
}

function compare(bench: SessionBench, model: Model): void {
  const { state } = bench;
  assert.deepStrictEqual(bench.graph().nodes, model.live());
  assert.equal(state.head?.leafNodeId, model.leaf);
  assert.equal(state.head?.revision ?? 0, model.revision);
  assert.equal(state.hiddenCount, model.stored.length - model.live().length);
  assert.equal(state.length, model.stored.length);
  if (state.head !== undefined) assert.equal(state.head.nodeCount, model.live().length);
  assert.deepStrictEqual(state.ledger, model.ledger());
  assert.deepStrictEqual(state.picker, model.picker());
  assert.equal(state.meta?.sessionName, model.meta);
  assert.equal(state.deleted, model.deleted);
  for (const leafNodeId of [...IDS, "nowhere"]) {
    const path = bench.graph({ kind: "activePath", leafNodeId });
    assert.deepStrictEqual(path, { nodes: model.path(leafNodeId), leafNodeId });
    assert.deepStrictEqual(
      readNode(state, leafNodeId),
      model.live().find(({ nodeId }) => nodeId === leafNodeId),
    );
  }
}

/** A state as plain data, without what only counts in memory. */
function dataOf(state: SessionState, operations: readonly string[]): unknown {
  const { nodes, receipts, ordinal: _ordinal, ...rest } = state;
  return {
    ...rest,
    entries: nodes.entries.map(({ hiddenAt, body, ...entry }) => ({
      ...entry,
      body: Buffer.from(body).toString("hex"),
      hidden: hiddenAt <= state.ordinal,
    })),
    slots: [...nodes.slots],
    missing: [...nodes.missingParents].sort(),
    bytes: nodes.bytes,
    receipts: operations.map((each) => receipts.find(each)),
  };
}

for (const policy of ["strict", "permissive"] as const) {
  test(`any sequence of operations answers and reads as the model does (${policy})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const bench = new SessionBench(policy);
        const model = new Model();
        for (const each of steps) {
          assert.deepStrictEqual(
            outcome(() => runOn(bench, each)),
            outcome(() => model.run(each, policy)),
          );
          compare(bench, model);
        }
      }),
      { numRuns: 400 },
    );
  });

  test(`the encoded records alone give an equal state (${policy})`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const bench = new SessionBench(policy);
        for (const each of steps) outcome(() => runOn(bench, each));
        let replayed = emptySession(SESSION, 10);
        for (const bytes of bench.log) {
          const record = decodeRecord(bytes) as SessionRecord;
          assert.deepStrictEqual(Buffer.from(encodeRecord(record)), Buffer.from(bytes));
          replayed = apply(replayed, record, replayed.lastLsn + 1);
        }
        assert.deepStrictEqual(dataOf(replayed, ["op1", "op2"]), dataOf(bench.state, ["op1", "op2"]));
      }),
      { numRuns: 300 },
    );
  });
}

// --- records that do not follow ---------------------------------------------------------------------------

function recordOf(commit: unknown): SessionRecord {
  const bench = new SessionBench("permissive");
  bench.commit(commit);
  return bench.records[0] as SessionRecord;
}

test("a record that does not follow its state throws a plain error", () => {
  const bench = new SessionBench();
  bench.commit(append([node("a")], "a"));
  const first = bench.records[0] as SessionRecord;
  const old = bench.state;
  bench.commit(append([node("b", "a")], "b"));
  const second = bench.records[1] as SessionRecord;
  const { state } = bench;
  const wrong: [SessionState, SessionRecord, number, RegExp][] = [
    [state, first, 3, /revision 1 does not follow 2/],
    [emptySession("other", 1), first, 1, /session "root"/],
    [state, { kind: "vacuum", sessionId: SESSION }, 2, /LSN 2 does not follow 2/],
    [old, second, 3, /successor/],
    [state, { kind: "tombstone", sessionId: SESSION, nodeIds: ["x"], picker: undefined }, 3, /not live/],
    [
      emptySession(SESSION, 1),
      {
        ...recordOf(commitOf()),
        graph: { kind: "replace", steps: [{ kind: "keep", start: 0, count: 1 }] },
      } as SessionRecord,
      1,
      /slot 0/,
    ],
    [state, { ...second, revision: 3 } as SessionRecord, 3, /"b" exists already/],
    [
      state,
      {
        ...second,
        revision: 3,
        graph: {
          kind: "replace",
          steps: [
            { kind: "keep", start: 0, count: 1 },
            { kind: "keep", start: 0, count: 1 },
          ],
        },
      } as SessionRecord,
      3,
      /kept twice/,
    ],
    [{ ...state, deleted: true }, { kind: "vacuum", sessionId: SESSION }, 3, /deletion/],
  ];
  for (const [from, record, lsn, message] of wrong) {
    assert.throws(
      () => apply(from, record, lsn),
      (error: Error) => !isStoreError(error) && message.test(error.message),
    );
  }
});
