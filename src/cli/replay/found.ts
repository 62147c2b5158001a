/**
 * What a store answers for one session, and how it compares with the model. Comparing is pure, so that a test
 * can alter one node and see it named.
 */
import type { SessionReader } from "../../contract.ts";
import type {
  PersistedSessionRead,
  SessionMeta,
  SessionNodeRecord,
  SessionPickerInfo,
} from "../../session/types.ts";
import { describeDifference, firstDifference, firstReordering, isIdentical } from "./difference.ts";
import type { SessionModel } from "./model.ts";

export interface FoundSession {
  readonly read: PersistedSessionRead | undefined;
  /** Nodes of the active path, read on their own. */
  readonly path: readonly SessionNodeRecord[];
  readonly meta: SessionMeta | undefined;
}

/** How much was compared; a report of nothing must not look like success. */
export interface ComparedCounts {
  sessions: number;
  nodes: number;
  leaves: number;
  ledgerRows: number;
  checkpointValues: number;
}

export function nothingCompared(): ComparedCounts {
  return { sessions: 0, nodes: 0, leaves: 0, ledgerRows: 0, checkpointValues: 0 };
}

export async function readFound(reader: SessionReader): Promise<FoundSession> {
  const meta = await reader.loadSessionMeta();
  const read = await reader.loadSession();
  const path = read === undefined ? undefined : await reader.loadSession({ kind: "activePath" });
  return { read, path: path?.graph.nodes ?? [], meta };
}

/** Every way in which a session differs from what was sent; empty when it holds exactly that. */
export function compareSession(model: SessionModel, found: FoundSession, counts: ComparedCounts): string[] {
  const problems: string[] = [];
  const compare = (what: string, expected: unknown, actual: unknown) => {
    const difference = firstDifference(expected, actual, what);
    if (difference !== undefined) problems.push(describeDifference(difference));
  };
  counts.sessions += 1;
  compare("meta", model.meta, found.meta);
  const { read } = found;
  if (read === undefined) {
    compare("headRevision", model.revision, 0);
    return problems;
  }
  compare("headRevision", model.revision, read.headRevision);
  compare("config", model.config, read.config);
  compare("leafNodeId", model.leafNodeId, read.graph.leafNodeId);
  counts.leaves += 1;
  problems.push(...compareNodes("node", model.nodes(), read.graph.nodes, counts));
  problems.push(...compareNodes("active path: node", model.activePath(), found.path, undefined));
  compare("tokenLedger", model.ledger(), read.tokenLedger);
  counts.ledgerRows += read.tokenLedger.length;
  problems.push(...compareCheckpoint(model, read, counts));
  return problems;
}

export function comparePicker(model: SessionModel, found: SessionPickerInfo | undefined): string[] {
  if (found === undefined) return ["it is missing in the listing"];
  const { cursor: _opaque, ...listed } = found;
  const expected = {
    sessionId: model.meta?.sessionId,
    ...(model.meta?.cwd === undefined ? {} : { cwd: model.meta.cwd }),
    ...(model.meta?.parentSessionId === undefined ? {} : { parentSessionId: model.meta.parentSessionId }),
    ...model.picker(),
    ...(model.revision === 0 ? {} : { headRevision: model.revision }),
  };
  const difference = firstDifference(expected, listed, "listing");
  return difference === undefined ? [] : [describeDifference(difference)];
}

function compareNodes(
  what: string,
  expected: readonly SessionNodeRecord[],
  found: readonly SessionNodeRecord[],
  counts: ComparedCounts | undefined,
): string[] {
  const problems: string[] = [];
  const foundById = new Map(found.map((node) => [node.nodeId, node]));
  const sent = new Set<string>();
  for (const node of expected) {
    sent.add(node.nodeId);
    const twin = foundById.get(node.nodeId);
    if (twin === undefined) problems.push(`${what} ${node.nodeId} was sent but is not there`);
    else problems.push(...compareNode(`${what} ${node.nodeId}`, node, twin));
  }
  if (foundById.size !== found.length) problems.push(`${what} ids are there more than once`);
  for (const nodeId of foundById.keys()) {
    if (!sent.has(nodeId)) problems.push(`${what} ${nodeId} is there but was never sent`);
  }
  if (problems.length === 0) {
    const at = expected.findIndex((node, index) => node.nodeId !== found[index]?.nodeId);
    if (at !== -1)
      problems.push(`${what} ${expected[at]?.nodeId} was sent at place ${at}, ${found[at]?.nodeId} is there`);
  }
  if (counts !== undefined) counts.nodes += found.length;
  return problems;
}

/** Keys of a node itself have no order of their own; those of its payload do. */
function compareNode(what: string, expected: SessionNodeRecord, found: SessionNodeRecord): string[] {
  const payload = (node: SessionNodeRecord) => (node.kind === "event" ? node.event : node.body);
  const links = expected.nodeId === found.nodeId && expected.parentNodeId === found.parentNodeId;
  const same = links && expected.timestamp === found.timestamp && expected.kind === found.kind;
  if (same && isIdentical(payload(expected), payload(found)) && hasSameKeys(expected, found)) return [];
  const difference = firstDifference(expected, found);
  if (difference !== undefined) return [`${what}: ${describeDifference(difference)}`];
  const moved = firstReordering(payload(expected), payload(found));
  return moved === undefined ? [] : [`${what}: the key ${moved} is not where it was sent`];
}

function hasSameKeys(expected: object, found: object): boolean {
  const keys = Object.keys(expected);
  return keys.length === Object.keys(found).length && keys.every((key) => Object.hasOwn(found, key));
}

/** Values are compared with the model; of refs only that exactly the components with a value have one. */
function compareCheckpoint(
  model: SessionModel,
  read: PersistedSessionRead,
  counts: ComparedCounts,
): string[] {
  const { toolStateRef, pluginSnapshotRef, executionStateRef, ...values } = read.checkpoint;
  const expected = model.checkpoint();
  const difference = firstDifference(expected, values, "checkpoint");
  const problems = difference === undefined ? [] : [describeDifference(difference)];
  const components = [
    ["toolState", toolStateRef, expected?.toolState],
    ["pluginSnapshot", pluginSnapshotRef, expected?.pluginSnapshot],
    ["executionState", executionStateRef, expected?.executionState],
  ] as const;
  for (const [name, ref, value] of components) {
    if (value !== undefined) counts.checkpointValues += 1;
    if ((ref === undefined) === (value === undefined)) continue;
    problems.push(
      `checkpoint.${name}Ref is ${ref ?? "absent"} but ${value === undefined ? "no" : "a"} value was sent`,
    );
  }
  return problems;
}
