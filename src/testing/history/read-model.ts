/** Whether what a read showed is what a state of the model has; if not, in which respect it differs. */
import {
  COMPONENTS,
  type EntrySeen,
  type HeadMetaSeen,
  type NodeSeen,
  type ReadCall,
  type SessionSeen,
  type UsageSeen,
  type Value,
} from "./events.ts";
import { liveNode, liveNodes, livePath } from "./graph-model.ts";
import type { SessionModel } from "./session-model.ts";

/** Values by their address, as far as commits of this history sent them. */
export type ValueBook = ReadonlyMap<string, string>;

/** Undefined if it is the same. */
export function differenceOfRead(
  state: SessionModel,
  call: ReadCall,
  value: Value,
  book: ValueBook,
): string | undefined {
  switch (call.kind) {
    case "load":
      return value.kind === "session" ? differenceOfSession(state, call, value.session, book) : "no session";
    case "loadNode":
      return value.kind === "node"
        ? differenceOfNode(liveNode(state.graph, call.node), value.node)
        : "no node";
    case "loadHeadMeta":
      return value.kind === "headMeta" ? differenceOfHeadMeta(state, value.head) : "no head meta";
    case "iterate":
      return value.kind === "nodes" ? differenceOfNodes(nodesOf(state, call), value.nodes) : "no nodes";
    case "loadMeta": {
      const found = value.kind === "meta" ? value.meta?.value : undefined;
      return state.meta?.value === found ? undefined : `meta ${found} instead of ${state.meta?.value}`;
    }
  }
}

function differenceOfSession(
  state: SessionModel,
  call: Extract<ReadCall, { kind: "load" }>,
  seen: SessionSeen | undefined,
  book: ValueBook,
): string | undefined {
  if (seen === undefined)
    return state.revision === 0 ? undefined : `no head instead of revision ${state.revision}`;
  if (seen.revision !== state.revision) return `revision ${seen.revision} instead of ${state.revision}`;
  if (seen.config !== state.config) return `config ${seen.config} instead of ${state.config}`;
  if (seen.turn !== state.turn) return `turn state ${seen.turn} instead of ${state.turn}`;
  const leaf = call.scope === "activePath" ? (call.leaf ?? state.graph.leaf) : state.graph.leaf;
  if (seen.leaf !== leaf) return `leaf ${seen.leaf} instead of ${leaf}`;
  const all = call.scope === "activePath" ? livePath(state.graph, leaf) : liveNodes(state.graph);
  // Changes are the newest nodes; how many they must be, only who holds the copy can say.
  const limit = call.scope === "changesSince" ? seen.nodes.length : call.limit;
  const left = Math.max(all.length - (limit ?? all.length), 0);
  const nodes = all.slice(left);
  const nextOlder = call.scope === "activePath" ? all[left - 1]?.id : undefined;
  if (seen.nextOlder !== nextOlder) return `next older node ${seen.nextOlder} instead of ${nextOlder}`;
  return (
    differenceOfComponents(state, seen, book) ??
    differenceOfLedger(state.ledger, seen.ledger) ??
    differenceOfNodes(nodes, seen.nodes)
  );
}

/** In the order in which an iteration shows them. */
function nodesOf(state: SessionModel, call: Extract<ReadCall, { kind: "iterate" }>): readonly NodeSeen[] {
  if (state.revision === 0) return [];
  return call.over === "graph"
    ? liveNodes(state.graph)
    : livePath(state.graph, call.leaf ?? state.graph.leaf).toReversed();
}

function differenceOfHeadMeta(state: SessionModel, seen: HeadMetaSeen | undefined): string | undefined {
  if (seen === undefined)
    return state.revision === 0 ? undefined : `no head instead of revision ${state.revision}`;
  if (seen.revision !== state.revision) return `revision ${seen.revision} instead of ${state.revision}`;
  if (seen.config !== state.config) return `config ${seen.config} instead of ${state.config}`;
  if (seen.leaf !== state.graph.leaf) return `leaf ${seen.leaf} instead of ${state.graph.leaf}`;
  const nodeCount = liveNodes(state.graph).length;
  if (seen.nodeCount !== nodeCount) return `${seen.nodeCount} live nodes instead of ${nodeCount}`;
  return differenceOfLedger(state.ledger, seen.ledger);
}

function differenceOfComponents(state: SessionModel, seen: SessionSeen, book: ValueBook): string | undefined {
  for (const name of COMPONENTS) {
    const ref = state.refs[name];
    if (seen.refs[name] !== ref) return `${name} ref ${seen.refs[name]} instead of ${ref}`;
    const value = ref === undefined ? undefined : book.get(ref);
    if (value !== undefined && seen.values[name] !== value)
      return `${name} ${seen.values[name]} instead of ${value}`;
  }
  return undefined;
}

function differenceOfLedger(ledger: SessionModel["ledger"], seen: readonly UsageSeen[]): string | undefined {
  const expected = [...ledger].map(([key, counters]) => `${key}: ${counters.join(" ")}`).join("; ");
  const found = seen.map(({ key, counters }) => `${key}: ${counters.join(" ")}`).join("; ");
  return expected === found ? undefined : `ledger [${found}] instead of [${expected}]`;
}

function differenceOfNodes(expected: readonly NodeSeen[], seen: readonly NodeSeen[]): string | undefined {
  const at = expected.findIndex((node, index) => differenceOfNode(node, seen[index]) !== undefined);
  if (at === -1 && expected.length === seen.length) return undefined;
  const first = at === -1 ? expected.length : at;
  return `${seen.length} nodes instead of ${expected.length}; node ${first} is ${show(seen[first])} instead of ${show(expected[first])}`;
}

function differenceOfNode(expected: NodeSeen | undefined, seen: NodeSeen | undefined): string | undefined {
  const same =
    expected?.id === seen?.id && expected?.parent === seen?.parent && expected?.body === seen?.body;
  return same ? undefined : `node ${show(seen)} instead of ${show(expected)}`;
}

function show(node: NodeSeen | undefined): string {
  return node === undefined ? "absent" : `"${node.id}" below ${JSON.stringify(node.parent)} ${node.body}`;
}

/** A session is listed if it has a head or a meta. */
export function isListed(state: SessionModel, includeChildren: boolean): boolean {
  if (state.revision === 0 && state.meta === undefined) return false;
  return includeChildren || state.meta?.parent === undefined;
}

export function differenceOfEntry(state: SessionModel, seen: EntrySeen): string | undefined {
  const revision = state.revision === 0 ? undefined : state.revision;
  if (seen.revision !== revision) return `revision ${seen.revision} instead of ${revision}`;
  if (seen.cwd !== state.meta?.cwd) return `cwd ${seen.cwd} instead of ${state.meta?.cwd}`;
  if (seen.parent !== state.meta?.parent) return `parent ${seen.parent} instead of ${state.meta?.parent}`;
  const texts = liveNodes(state.graph).flatMap(({ userText }) => (userText === undefined ? [] : [userText]));
  if (seen.userMessageCount !== texts.length)
    return `${seen.userMessageCount} user messages instead of ${texts.length}`;
  const [first = ""] = texts;
  return seen.firstUserMessage === first
    ? undefined
    : `first message ${seen.firstUserMessage} instead of ${first}`;
}
