/** Pure helpers over graphs a host holds. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import {
  activePath,
  appendMessages,
  applyChanges,
  branchTo,
  findNode,
  firstUserMessage,
  forkCurrentPath,
  healOrphanedLeaf,
  messageTree,
  userMessageCount,
} from "../../src/session/graph.ts";
import type { Message, SessionGraph, SessionNodeRecord } from "../../src/session/types.ts";
import { message, node, refusal } from "./session-bench.ts";

/** Freezes a graph, so that a helper that mutates throws. */
function frozen(nodes: SessionNodeRecord[], leafNodeId?: string): SessionGraph {
  return deepFreeze(leafNodeId === undefined ? { nodes } : { nodes, leafNodeId });
}
function deepFreeze<Value>(value: Value): Value {
  if (typeof value === "object" && value !== null)
    for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
const ids = (nodes: readonly { nodeId: string }[]) => nodes.map(({ nodeId }) => nodeId);
const said = (id: string, more: Partial<Message> = {}): Message => ({
  id,
  role: "User",
  parts: [{ id: "p", kind: "Text", content: id, pruneState: "Intact" }],
  ...more,
});
const TREE = [node("a"), node("b", "a"), node("c", "b"), node("x", "a")];
const LOOP = [
  message("a", "a", { parent: "b" }),
  message("b", "b", { parent: "a" }),
  message("c", "c", { parent: "b" }),
];

test("a copy is brought up to date: what was removed goes, what came stands behind the rest, and the leaf is the new one", () => {
  const copy = frozen(TREE, "c");
  const came = frozen([node("b", "a"), node("y", "x")], "y");
  const fresh = applyChanges(copy, { graph: came, removedNodeIds: ["b", "c", "nowhere"] });
  assert.deepEqual(fresh, {
    nodes: [node("a"), node("x", "a"), node("b", "a"), node("y", "x")],
    leafNodeId: "y",
  });
  assert.deepEqual(applyChanges(copy, { graph: frozen([]) }), { nodes: TREE });
});

test("an active path is root first, of the graph's leaf or of another", () => {
  const graph = frozen(TREE, "c");
  assert.deepEqual(ids(activePath(graph)), ["a", "b", "c"]);
  assert.deepEqual(ids(activePath(graph, "x")), ["a", "x"]);
  assert.deepEqual(activePath(graph, "nowhere"), []);
  assert.deepEqual(activePath(frozen(TREE)), []);
  assert.deepEqual(ids(activePath(frozen([node("b", "missing"), node("c", "b")], "c"))), ["b", "c"]);
});

test("a cycle is INVALID_GRAPH for every helper that walks", () => {
  const graph = frozen(LOOP, "c");
  for (const walk of [activePath, forkCurrentPath, messageTree]) refusal("INVALID_GRAPH", () => walk(graph));
  refusal("INVALID_GRAPH", () => activePath(frozen([node("a", "a")], "a")));
  refusal("INVALID_GRAPH", () => messageTree(frozen([node("a", "a")])));
});

test("a node is found by its id, the last one of several", () => {
  const graph = frozen([node("a"), message("a", "second")]);
  assert.equal(findNode(graph, "a"), graph.nodes[1]);
  assert.equal(findNode(graph, "b"), undefined);
});

test("messages are appended behind the leaf, the last becomes the leaf", () => {
  const graph = frozen([node("a")], "a");
  const next = appendMessages(graph, [said("m"), said("n")], { timestamp: "now" });
  assert.deepStrictEqual(next, {
    nodes: [
      node("a"),
      { nodeId: "m", parentNodeId: "a", timestamp: "now", kind: "event", event: { conversation: said("m") } },
      { nodeId: "n", parentNodeId: "m", timestamp: "now", kind: "event", event: { conversation: said("n") } },
    ],
    leafNodeId: "n",
  });
  const first = appendMessages(frozen([]), [said("m")], { timestamp: "now" });
  assert.equal("parentNodeId" in (first.nodes[0] ?? {}), false);
});

test("a taken id becomes message:<id>, then message:<id>:2 and on", () => {
  const messages = [said("m"), said("m"), said("m"), said("m")];
  const { nodes } = appendMessages(frozen([node("message:m:2")]), messages, { timestamp: "t" });
  assert.deepEqual(ids(nodes), ["message:m:2", "m", "message:m", "message:m:3", "message:m:4"]);
});

test("transient messages are skipped", () => {
  const origin = { kind: "plugin", transient: true };
  const next = appendMessages(
    frozen([node("a")], "a"),
    [said("m", { origin }), said("n", { origin: { kind: "plugin" } })],
    { timestamp: "t" },
  );
  assert.deepEqual(ids(next.nodes), ["a", "n"]);
  assert.deepEqual(appendMessages(frozen([]), [said("m", { origin })], { timestamp: "t" }), { nodes: [] });
});

test("branching moves only the leaf, to anything or to none", () => {
  const graph = frozen(TREE, "c");
  assert.deepStrictEqual(branchTo(graph, "x"), { nodes: TREE, leafNodeId: "x" });
  assert.deepStrictEqual(branchTo(graph, undefined), { nodes: TREE });
});

test("a fork has the nodes of the active path only, and the same leaf", () => {
  const fork = forkCurrentPath(frozen(TREE, "x"));
  assert.deepStrictEqual(fork, { nodes: [node("a"), node("x", "a")], leafNodeId: "x" });
  assert.deepStrictEqual(forkCurrentPath(frozen(TREE)), { nodes: [] });
});

test("a leaf that names no node becomes the last conversation node, else none", () => {
  const nodes = [message("m", "hi"), node("n")];
  assert.deepStrictEqual(healOrphanedLeaf(frozen(nodes, "gone")), {
    graph: { nodes, leafNodeId: "m" },
    healed: true,
  });
  assert.deepStrictEqual(healOrphanedLeaf(frozen([node("n")], "gone")), {
    graph: { nodes: [node("n")] },
    healed: true,
  });
  assert.deepStrictEqual(healOrphanedLeaf(frozen(nodes, "n")), {
    graph: { nodes, leafNodeId: "n" },
    healed: false,
  });
  assert.deepStrictEqual(healOrphanedLeaf(frozen(nodes)), { graph: { nodes }, healed: false });
});

test("user messages of all branches count, tool results do not", () => {
  const nodes = [
    message("t", "r", { kind: "ToolResult" }),
    message("a", "one"),
    message("b", "x", { role: "Assistant" }),
    message("c", " two ", { parent: "a" }),
  ];
  const graph = frozen(nodes, "a");
  assert.equal(userMessageCount(graph), 2);
  assert.equal(firstUserMessage(graph), "one");
  assert.equal(firstUserMessage(frozen([])), "");
});

test("a message tree passes over other nodes and sorts by timestamp, roots too", () => {
  const at = (record: SessionNodeRecord, timestamp: string) => ({ ...record, timestamp });
  const nodes = [
    at(message("late", "3"), "3"),
    at(message("root", "1"), "1"),
    at(node("tool", "root"), "2"),
    at(node("tool2", "tool"), "2"),
    at(message("b", "b", { parent: "tool2" }), "5"),
    at(message("a", "a", { parent: "root" }), "4"),
    at(message("a2", "a2", { parent: "root" }), "4"),
    at(message("orphan", "o", { parent: "missing" }), "2"),
  ];
  const shape = (trees: ReturnType<typeof messageTree>): unknown =>
    trees.map(({ nodeId, children }) => [nodeId, shape(children)]);
  assert.deepEqual(shape(messageTree(frozen(nodes))), [
    [
      "root",
      [
        ["a", []],
        ["a2", []],
        ["b", []],
      ],
    ],
    ["orphan", []],
    ["late", []],
  ]);
  const [root] = messageTree(frozen(nodes));
  assert.equal(root?.timestamp, "1");
  assert.equal(root?.message.id, "root");
});

test("messages of one time keep their order, and events that are no conversations are no messages", () => {
  const strange = ["text", null, 7, true, undefined, {}, { conversation: null }, { conversation: "text" }];
  const nodes = [
    ...strange.map((event, i) => ({ ...message(`s${i}`, ""), event }) as SessionNodeRecord),
    ...Array.from({ length: 30 }, (_, i) => message(`m${i}`, "x")),
  ];
  const trees = messageTree(frozen(nodes));
  assert.deepEqual(
    ids(trees),
    Array.from({ length: 30 }, (_, i) => `m${i}`),
  );
});

test("long chains are walked once", () => {
  const nodes = Array.from({ length: 20_000 }, (_, i) =>
    i === 0 ? node("0") : node(String(i), String(i - 1)),
  );
  nodes.push(...Array.from({ length: 2_000 }, (_, i) => message(`m${i}`, "x", { parent: "19999" })));
  const graph = frozen(nodes, "19999");
  assert.equal(activePath(graph).length, 20_000);
  assert.equal(messageTree(graph).length, 2_000);
});
