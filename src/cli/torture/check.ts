/**
 * Compares a store with what its sessions must hold after a crash: everything acknowledged, then at most a
 * prefix of what was in flight, and nothing else. It deliberately does not repair, retry or forgive: the first
 * difference ends the check.
 *
 * 1. Each lane is at exactly one position from what was acknowledged to the furthest that can have been sent.
 * 2. What a check has found counts as acknowledged from then on: it was read, so it must not vanish.
 * 3. A deleted session stays deleted, and its id refuses every write.
 */
import { isDeepStrictEqual } from "node:util";
import type { ReadOnlyStore, SessionReader, Store } from "../../contract.ts";
import { isStoreError } from "../../errors.ts";
import type { PersistedSessionRead, SessionMeta } from "../../session/types.ts";
import { patiently } from "./patience.ts";
import {
  comparePositions,
  configAt,
  type Plan,
  type Position,
  positionAfter,
  type Scripted,
  START,
  scriptedAt,
  sessionIdAt,
  turnStateAt,
} from "./script.ts";

/** What is known of one lane: what counts as acknowledged, and the last acknowledgement that was seen at all. */
export interface KnownLane {
  readonly acknowledged: Position;
  /** Equal or later; it need not be durable (a power cut had been triggered by then). */
  readonly told: Position;
}

/** Operations a lane has in flight at most: what was sent is never further than this beyond what was told. */
export const MOST_IN_FLIGHT = 4;
/** Deleted sessions of each lane that are looked at: the newest. */
const DELETED_LOOKED_AT = 3;

/** The store answered something other than what it must hold. */
export class Violation extends Error {}

export function nothingKnown(plan: Plan): KnownLane[] {
  return Array.from({ length: plan.lanes }, () => ({ acknowledged: START, told: START }));
}

/** Checks every lane, the listing and the files of an open store; answers where each lane is. */
export async function checkStore(store: Store, plan: Plan, known: readonly KnownLane[]): Promise<Position[]> {
  const positions = await checkLanes(store, plan, known);
  for (const [lane, { generation }] of positions.entries()) {
    const oldest = Math.max(0, generation - DELETED_LOOKED_AT);
    for (let past = oldest; past < generation; past++) await checkDeleted(store, sessionIdAt(lane, past));
  }
  await checkListing(store, plan, positions);
  const { problems } = await store.verify();
  const [problem] = problems;
  if (problem !== undefined) throw new Violation(`verify() found ${problem.code}: ${problem.message}`);
  return positions;
}

/** The same without a write: what a read-only view must show. */
export async function checkLanes(
  store: Pick<ReadOnlyStore, "session">,
  plan: Plan,
  known: readonly KnownLane[],
): Promise<Position[]> {
  const positions: Position[] = [];
  for (const [lane, knownLane] of known.entries())
    positions.push(await checkLane(store, plan, lane, knownLane));
  return positions;
}

async function checkLane(
  store: Pick<ReadOnlyStore, "session">,
  plan: Plan,
  lane: number,
  { acknowledged, told }: KnownLane,
): Promise<Position> {
  const seen = new Map<number, Seen>();
  const look = async (generation: number): Promise<Seen> => {
    const found = seen.get(generation) ?? (await lookAt(store.session(sessionIdAt(lane, generation))));
    seen.set(generation, found);
    return found;
  };
  let last = told;
  for (let ahead = 0; ahead < MOST_IN_FLIGHT; ahead++) last = positionAfter(plan, lane, last);
  let nearest: string | undefined;
  for (let at = acknowledged; comparePositions(at, last) <= 0; at = positionAfter(plan, lane, at)) {
    const differs = await differenceAt(look, plan, lane, at, last.generation);
    if (differs === undefined) return at;
    nearest ??= differs;
  }
  const range = `acknowledged ${show(acknowledged)}, told ${show(told)}`;
  throw new Violation(`lane ${lane} (${range}) is at none of the states it may have; ${nearest}`);
}

/** How what is seen differs from the lane being at `at`; undefined when it does not. */
async function differenceAt(
  look: (generation: number) => Promise<Seen>,
  plan: Plan,
  lane: number,
  at: Position,
  lastGeneration: number,
): Promise<string | undefined> {
  const present = scriptedAt(plan, lane, at);
  const differs = difference(expected(present), await look(at.generation));
  if (differs !== undefined) return `${present.sessionId} after ${at.done}: ${differs}`;
  for (let generation = at.generation + 1; generation <= lastGeneration; generation++) {
    if ((await look(generation)).kind !== "absent")
      return `${sessionIdAt(lane, generation)} is there before its predecessor was deleted`;
  }
  return undefined;
}

async function checkDeleted(store: Store, sessionId: string): Promise<void> {
  if ((await lookAt(store.session(sessionId))).kind !== "absent")
    throw new Violation(`${sessionId} was deleted and can be read again`);
  const meta: SessionMeta = { sessionId, sessionName: "again", createdAt: "now", model: "m" };
  try {
    await patiently(() => store.session(sessionId).saveSessionMeta(meta));
  } catch (error) {
    if (isStoreError(error, "SESSION_DELETED")) return;
    throw error;
  }
  throw new Violation(`${sessionId} was deleted and accepts a write`);
}

/** Exactly the lanes that have something are listed. */
async function checkListing(store: Store, plan: Plan, positions: readonly Position[]): Promise<void> {
  const listed = new Set<string>();
  for await (const { sessionId } of store.listSessions({ includeChildren: true })) listed.add(sessionId);
  for (const [lane, at] of positions.entries()) {
    const { sessionId, revision, meta } = scriptedAt(plan, lane, at);
    const isThere = revision > 0 || meta !== undefined;
    if (listed.delete(sessionId) !== isThere)
      throw new Violation(
        `${sessionId} is ${isThere ? "missing from the listing" : "listed and has nothing"}`,
      );
  }
  const [extra] = listed;
  if (extra !== undefined) throw new Violation(`${extra} is listed and must not be there`);
}

/** Everything a reader can tell of a session, or that it is not there. */
type Seen = { readonly kind: "absent" } | { readonly kind: "there"; readonly parts: Record<string, unknown> };

async function lookAt(session: SessionReader): Promise<Seen> {
  const head = await session.loadSession();
  return seenOf(head, await session.loadSessionMeta());
}

function seenOf(head: PersistedSessionRead | undefined, meta: SessionMeta | undefined): Seen {
  if (head === undefined && meta === undefined) return { kind: "absent" };
  if (head === undefined) return { kind: "there", parts: { revision: 0, meta } };
  const { checkpoint } = head;
  return {
    kind: "there",
    parts: {
      revision: head.headRevision,
      leaf: head.graph.leafNodeId,
      nodes: head.graph.nodes,
      config: head.config,
      turnState: checkpoint.turnState,
      toolState: checkpoint.toolState,
      pluginSnapshot: checkpoint.pluginSnapshot,
      pluginSnapshotRevision: checkpoint.pluginSnapshotRevision,
      executionState: checkpoint.executionState,
      ledger: head.tokenLedger,
      meta,
    },
  };
}

function expected(session: Scripted): Seen {
  const { revision, meta } = session;
  if (revision === 0 && meta === undefined) return { kind: "absent" };
  if (revision === 0) return { kind: "there", parts: { revision, meta } };
  return {
    kind: "there",
    parts: {
      revision,
      leaf: session.leaf,
      nodes: session.nodes,
      config: configAt(revision),
      turnState: turnStateAt(revision),
      toolState: session.toolState,
      pluginSnapshot: session.pluginSnapshot,
      pluginSnapshotRevision: BigInt(revision),
      executionState: session.executionState,
      ledger: session.ledger,
      meta,
    },
  };
}

/** Checks what a session answers while nothing of it is in flight. */
export async function checkRead(session: SessionReader, scripted: Scripted): Promise<void> {
  const differs = difference(expected(scripted), await lookAt(session));
  if (differs === undefined) return;
  throw new Violation(`${scripted.sessionId} reads other than what was acknowledged: ${differs}`);
}

function difference(wanted: Seen, seen: Seen): string | undefined {
  if (wanted.kind === "absent" || seen.kind === "absent")
    return wanted.kind === seen.kind ? undefined : `it should be ${wanted.kind} and is ${seen.kind}`;
  const names = Object.keys({ ...wanted.parts, ...seen.parts });
  const differing = names.filter((name) => !isDeepStrictEqual(wanted.parts[name], seen.parts[name]));
  if (differing.length === 0) return undefined;
  return `revision ${wanted.parts.revision} wanted, ${seen.parts.revision} seen; ${differing.join(", ")} differ`;
}

function show({ generation, done }: Position): string {
  return `${generation}/${done}`;
}
