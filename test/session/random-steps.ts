/** Random steps over one session, few ids so that they collide; and how a bench takes them. */
import fc from "fast-check";
import { isStoreError } from "../../src/errors.ts";
import { Refused, type Step } from "./naive-session.ts";
import { append, commitOf, message, node, replaceFull, SESSION, type SessionBench } from "./session-bench.ts";

export const IDS = ["a", "b", "c", "d", "e", "f", "g", "h"];
const id = fc.constantFrom(...IDS);
/** Mostly none, so that most deltas are accepted. */
const seldom = <Value>(value: fc.Arbitrary<Value>) =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 4 }, { arbitrary: value, weight: 1 });
const leaf = fc.option(id, { nil: undefined, freq: 2 });
const anyNode = fc
  .tuple(id, leaf, fc.constantFrom("note", "user", "assistant", "tool"), fc.constantFrom("hi", "there", ""))
  .map(([nodeId, parent, kind, text]) => {
    const options = parent === undefined ? {} : { parent };
    if (kind === "note") return node(nodeId, parent);
    if (kind === "tool") return message(nodeId, text, { ...options, kind: "ToolResult" });
    return message(nodeId, text, { ...options, role: kind === "user" ? "User" : "Assistant" });
  });
const nodes = fc.oneof(
  { arbitrary: fc.uniqueArray(anyNode, { maxLength: 4, selector: ({ nodeId }) => nodeId }), weight: 6 },
  { arbitrary: fc.array(anyNode, { maxLength: 3 }), weight: 1 },
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
  expected: seldom(fc.nat(6)),
  operationId: seldom(fc.constantFrom("op1", "op2")),
  usage,
});
export const step: fc.Arbitrary<Step> = fc.oneof(
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

export function runOn(bench: SessionBench, step: Step): unknown {
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

/** What a step answers, or the code it is refused with. */
export function outcome(work: () => unknown): unknown {
  try {
    return { answer: work() };
  } catch (error) {
    if (error instanceof Refused || isStoreError(error)) return { refused: error.code };
    throw error;
  }
}
