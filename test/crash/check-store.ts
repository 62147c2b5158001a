/**
 * Whether an opened store keeps what a story was promised: nothing acknowledged is missing, nothing is there that
 * was not sent, and every session is whole at one revision. Quick, because a million stores are asked: it walks
 * the nodes once and compares bytes; deep comparison is left to the checkpoint of the revision that was found.
 */
import assert from "node:assert/strict";
import type { Store } from "../../src/contract.ts";
import type { PersistedSessionRead, SessionNodeRecord } from "../../src/session/types.ts";
import type { Progress } from "../support/history.ts";
import { checkpointOf, commitOf, type Promised, type SessionPromise } from "./story.ts";

/** Checks everything and answers what was found, which from now on is promised. */
export async function checkStore(store: Store, promised: Promised): Promise<Promised> {
  if (promised.isClosed) {
    assert.ok(store.recovery.cleanClose, "a store that was closed does not know it");
    assert.equal(store.recovery.tornBytes, 0, "a store that was closed is torn");
  }
  const sessions = new Map<string, SessionPromise>();
  for (const [id, promise] of promised.sessions) {
    const progress = await checkSession(store, id, promise.progress);
    sessions.set(id, { ...(await checkMeta(store, id, promise)), progress });
  }
  const doomed = new Map(promised.doomed);
  for (const [id, state] of promised.doomed) {
    const found = await store.session(id).loadSessionMeta();
    if (state === "deleted") assert.equal(found, undefined, `${id} is back although it was deleted`);
    if (state === "created") assert.ok(found, `${id} was created and is gone`);
    if (found === undefined) doomed.set(id, "deleted");
  }
  return { isClosed: false, sessions, doomed };
}

/**
 * Goes on with work: a commit of every session (the retry of what was in flight, if it was not kept), its own
 * retry, a snapshot. What is sent and acknowledged on the way is told to `learn`.
 */
export async function goOn(
  store: Store,
  found: Promised,
  learn: (promised: Promised) => void,
): Promise<void> {
  const revisions = new Map(
    [...found.sessions].map(([id, { progress }]) => [id, progress.acknowledged + 1] as const),
  );
  learn(moved(found, { sent: 1, acknowledged: 0 }));
  await Promise.all(
    [...revisions].map(async ([id, revision]) => {
      const answer = await store.session(id).commitRuntimeState(commitOf(id, revision));
      assert.equal(answer.headRevision, revision);
      const again = await store.session(id).commitRuntimeState(commitOf(id, revision));
      assert.deepEqual([again.headRevision, again.replayed], [revision, true]);
    }),
  );
  learn(moved(found, { sent: 1, acknowledged: 1 }));
  await store.snapshot();
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
}

/** The same with every session so many revisions further. */
function moved(promised: Promised, by: { readonly sent: number; readonly acknowledged: number }): Promised {
  const sessions = new Map(promised.sessions);
  for (const [id, promise] of sessions) {
    const progress = promise.progress.copy();
    progress.sent += by.sent;
    progress.acknowledged += by.acknowledged;
    sessions.set(id, { ...promise, progress });
  }
  return { ...promised, sessions };
}

async function checkMeta(
  store: Store,
  id: string,
  promise: SessionPromise,
): Promise<Omit<SessionPromise, "progress">> {
  const { metas, metasAcknowledged } = promise;
  if (metas.length === 0) return { metas, metasAcknowledged };
  const found = await store.session(id).loadSessionMeta();
  const at = found === undefined ? 0 : metas.indexOf(found.sessionName) + 1;
  assert.ok(found === undefined || at > 0, `${id} has a meta that was never sent: ${found?.sessionName}`);
  assert.ok(
    at >= metasAcknowledged,
    `${id} has meta ${at} of ${metas.length}, ${metasAcknowledged} acknowledged`,
  );
  return { metas: metas.slice(0, at), metasAcknowledged: at };
}

async function checkSession(store: Store, id: string, progress: Progress): Promise<Progress> {
  const found = await store.session(id).loadSession();
  const revision = found?.headRevision ?? 0;
  if (revision < progress.acknowledged || revision > progress.sent) {
    assert.fail(`${id} is at ${revision}, acknowledged ${progress.acknowledged}, sent ${progress.sent}`);
  }
  const now = progress.copy();
  now.sent = revision;
  now.acknowledged = revision;
  if (found !== undefined) checkRead(found, id, revision, progress, now);
  return now;
}

function checkRead(
  { checkpoint, graph, tokenLedger }: PersistedSessionRead,
  id: string,
  revision: number,
  progress: Progress,
  now: Progress,
): void {
  assert.equal(graph.leafNodeId, `n${revision}`);
  assert.equal(checkpoint.turnState.turnIndex, revision);
  const expected = expectedBytes(id, revision);
  assert.ok(
    checkpoint.executionState !== undefined && expected.equals(checkpoint.executionState),
    `${id} has the execution state of another revision than ${revision}`,
  );
  assert.equal(JSON.stringify(checkpoint.toolState), toolStateText(revision % 3));
  assert.equal(tokenLedger.length, 1);
  assert.equal(tokenLedger[0]?.usage.inputTokens, revision);
  const shown = new Set<number>();
  let trunk = 0;
  for (const node of graph.nodes) {
    const at = Number(node.nodeId.slice(1));
    assert.ok(
      at >= 1 && at <= revision,
      `${id} holds ${node.nodeId}, which no revision up to ${revision} has`,
    );
    if (node.nodeId.startsWith("n")) trunk += checkTrunk(node, id, at);
    else shown.add(at);
  }
  assert.equal(trunk, revision, `${id} lost nodes of its ${revision}`);
  assert.equal(graph.nodes.length, trunk + shown.size, `${id} holds a node twice`);
  for (let at = 1; at <= revision; at++) checkSide(id, at, shown.has(at), progress, now);
}

function checkTrunk(node: SessionNodeRecord, id: string, at: number): number {
  const event = node.kind === "event" ? JSON.stringify(node.event) : "";
  assert.ok(event.includes(`"${id} ${at}"`), `${id} has another text in ${node.nodeId}`);
  assert.equal(node.parentNodeId, at === 1 ? undefined : `n${at - 1}`);
  return 1;
}

/** A hidden side node stays hidden, and what is seen now is from now on so. */
function checkSide(id: string, at: number, isShown: boolean, progress: Progress, now: Progress): void {
  if (progress.hideAcknowledged.has(at)) assert.ok(!isShown, `${id} shows x${at}, which was hidden`);
  if (!progress.hideSent.has(at)) assert.ok(isShown, `${id} lost x${at}`);
  if (isShown) now.hideSent.delete(at);
  else {
    now.hideSent.add(at);
    now.hideAcknowledged.add(at);
  }
}

/** Values come back with sorted keys. */
function toolStateText(generation: number): string {
  const tool = '{"manifest":{"fill":"shared","name":"search"},"sourceId":"builtin"}';
  return `{"generation":${generation},"tools":{"search":${tool}}}`;
}

const expectations = new Map<string, Buffer>();

function expectedBytes(id: string, revision: number): Buffer {
  const key = `${id} ${revision}`;
  const known = expectations.get(key) ?? Buffer.from(checkpointOf(id, revision).executionState ?? []);
  expectations.set(key, known);
  return known;
}
