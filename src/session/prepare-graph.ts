/**
 * Checks a graph delta and encodes its nodes. What the delta means for a session (collisions, cycles,
 * parents) is decided in `plan-graph.ts`.
 *
 * A node's body is the encoding of the node without its two ids, key order kept. Unknown fields are kept
 * inside `event` and `body` and refused beside them. A body is a view of a slab that it
 * shares: whoever keeps it copies it, as the log and the node table do.
 */
import { encodeCanonical, encodeValueShared, PLAIN, plainWriter } from "../codec.ts";
import { NODE_USER_MESSAGE } from "./node-entry.ts";
import { writePlain } from "./payload.ts";
import { countsAsUserMessage } from "./picker.ts";
import type { NodeFact } from "./record.ts";
import { below, type Fields, commitShape as shape } from "./shape.ts";

export interface PreparedGraph {
  readonly kind: "unchanged" | "append" | "replaceFull";
  readonly nodes: readonly NodeFact[];
  readonly leafNodeId: string | undefined;
  /** Bytes that the nodes add to a record; a replacement writes only its difference. */
  readonly nodeBytes: number;
  /** Canonical encodings of the bodies, for the digest of an operation; empty when there is none. */
  readonly canonicalBodies: readonly Uint8Array[];
}

/** Whether the nodes are also encoded canonically, which only an operation's digest needs. */
export type Canonical = "with-canonical-bodies" | "bodies-only";

/** Bytes a node costs in a record beside its ids and its body. */
const NODE_OVERHEAD = 16;

const EVENT_NODE = ["nodeId", "parentNodeId", "timestamp", "kind", "event"];
const PLUGIN_NODE = ["nodeId", "parentNodeId", "timestamp", "kind", "pluginType", "body"];
const UNCHANGED = ["kind", "leafNodeId"];
const APPEND = ["kind", "nodes", "leafNodeId"];
const REPLACE_FULL = ["kind", "graph"];
const GRAPH = ["nodes", "leafNodeId"];

export function prepareGraph(value: unknown, canonical: Canonical): PreparedGraph {
  const path = "graph";
  const fields = shape.map(value, path);
  const kind = shape.get(fields, path, "kind");
  switch (kind) {
    case "unchanged":
      shape.only(fields, path, UNCHANGED);
      return {
        kind,
        nodes: [],
        leafNodeId: shape.optionalId(fields, path, "leafNodeId"),
        nodeBytes: 0,
        canonicalBodies: [],
      };
    case "append":
      shape.only(fields, path, APPEND);
      return prepareNodes(kind, fields, path, canonical);
    case "replaceFull": {
      shape.only(fields, path, REPLACE_FULL);
      const graph = shape.open(shape.get(fields, path, "graph"), "graph.graph", GRAPH);
      return prepareNodes(kind, graph, "graph.graph", canonical);
    }
    default:
      return shape.fail("graph.kind", 'must be "unchanged", "append" or "replaceFull"');
  }
}

function prepareNodes(
  kind: PreparedGraph["kind"],
  fields: Fields,
  path: string,
  canonical: Canonical,
): PreparedGraph {
  const leafNodeId = shape.optionalId(fields, path, "leafNodeId");
  const items = shape.list(shape.get(fields, path, "nodes"), `${path}.nodes`);
  const nodes = new Array<NodeFact>(items.length);
  const canonicalBodies: Uint8Array[] = [];
  let nodeBytes = 0;
  for (let i = 0; i < items.length; i++) {
    const node = prepareNode(items[i], path, i, canonical, canonicalBodies);
    nodeBytes += nodeSize(node);
    nodes[i] = node;
  }
  return { kind, nodes, leafNodeId, nodeBytes, canonicalBodies };
}

/** Paths of the first nodes of a delta, which is all that most have: a text made for every node would be garbage. */
const FIRST_PATHS: ReadonlyMap<string, string[]> = new Map([
  ["graph", []],
  ["graph.graph", []],
]);
const MAX_FIRST_PATHS = 64;

function nodePath(graphPath: string, index: number): string {
  const first = index < MAX_FIRST_PATHS ? FIRST_PATHS.get(graphPath) : undefined;
  if (first === undefined) return `${graphPath}.nodes[${index}]`;
  first[index] ??= `${graphPath}.nodes[${index}]`;
  return first[index];
}

/** Bytes a node adds to a record, at most. */
export function nodeSize(node: NodeFact): number {
  return node.body.length + (node.id.length + (node.parent?.length ?? 0)) * 3 + NODE_OVERHEAD;
}

function prepareNode(
  value: unknown,
  graphPath: string,
  index: number,
  canonical: Canonical,
  bodies: Uint8Array[],
): NodeFact {
  const path = nodePath(graphPath, index);
  const fields = shape.map(value, path);
  const kind = shape.get(fields, path, "kind");
  if (kind !== "event" && kind !== "plugin") {
    return shape.fail(`${path}.kind`, 'must be "event" or "plugin"');
  }
  shape.only(fields, path, kind === "event" ? EVENT_NODE : PLUGIN_NODE);
  const id = shape.id(fields, path, "nodeId");
  const parent = shape.optionalId(fields, path, "parentNodeId");
  const timestamp = shape.text(fields, path, "timestamp");
  const pluginType = kind === "plugin" ? shape.text(fields, path, "pluginType") : undefined;
  const key = kind === "plugin" ? "body" : "event";
  const given = shape.get(fields, path, key);
  // No code of the caller runs from here on, unless the payload must be copied.
  const plain = writeBody(timestamp, pluginType, given);
  const payload = plain === undefined ? shape.snapshot(given, below(path, key)) : given;
  if (kind === "event" && !isMap(payload)) shape.fail(below(path, "event"), "must be a plain object");
  const flags = kind === "event" && countsAsUserMessage(payload) ? NODE_USER_MESSAGE : 0;
  if (plain !== undefined && canonical === "bodies-only") return { id, parent, flags, body: plain };
  const wire =
    kind === "plugin" ? { timestamp, kind, pluginType, body: payload } : { timestamp, kind, event: payload };
  if (canonical === "with-canonical-bodies") bodies.push(encodeCanonical(wire));
  return { id, parent, flags, body: plain ?? encodeValueShared(wire) };
}

/** The body of a node whose payload is plain, checked and written in one pass; undefined if something in it is not. */
function writeBody(
  timestamp: string,
  pluginType: string | undefined,
  payload: unknown,
): Uint8Array | undefined {
  if (!timestamp.isWellFormed() || pluginType?.isWellFormed() === false) return undefined;
  const to = plainWriter;
  to.begin();
  to.byte(PLAIN);
  to.map(pluginType === undefined ? 3 : 4);
  to.text("timestamp");
  to.text(timestamp);
  to.text("kind");
  if (pluginType === undefined) {
    to.text("event");
    to.text("event");
  } else {
    to.text("plugin");
    to.text("pluginType");
    to.text(pluginType);
    to.text("body");
  }
  if (writePlain(to, payload)) return to.end();
  to.cancel();
  return undefined;
}

function isMap(payload: unknown): boolean {
  return (
    typeof payload === "object" &&
    payload !== null &&
    !Array.isArray(payload) &&
    !(payload instanceof Uint8Array)
  );
}
