/**
 * A workload whose every state can be told from a session's revision, so that a recovered store can be
 * checked without knowing which of the commits in flight made it. Commit r of a session appends `n<r>` below
 * `n<r-1>` and the side node `x<r>`, sets tool state r % 5 and execution state of r, and uses one token.
 */
import assert from "node:assert/strict";
import type { Store } from "../../src/contract.ts";
import type { PersistedSessionRead, RuntimeCommit } from "../../src/session/types.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  noise,
  toolState,
  turnState,
  usage,
} from "./builders.ts";

const EXECUTION_BYTES = 600;

/** The commit that makes revision `revision`. */
export function commitOf(sessionId: string, revision: number): RuntimeCommit {
  const trunk = messageNode(
    `n${revision}`,
    revision === 1 ? undefined : `n${revision - 1}`,
    `${sessionId} ${revision}`,
  );
  const side = messageNode(`x${revision}`, trunk.nodeId, "side");
  return commit({
    sessionId,
    expectedHeadRevision: revision - 1,
    operationId: `op-${revision}`,
    graph: append([trunk, side], trunk.nodeId),
    checkpoint: checkpoint({
      turnState: turnState({ turnIndex: revision }),
      toolState: toolState(revision % 5, sessionId),
      executionState: noise(EXECUTION_BYTES, revision),
    }),
    usageDeltas: [ledgerEntry("turn", "m", usage(1))],
  });
}

/** What is known of a session while its workload runs. */
export class Progress {
  /** Highest revision sent and highest acknowledged. */
  sent = 0;
  acknowledged = 0;
  /** Revisions whose side node was asked to be hidden, and those where that was acknowledged. */
  readonly hideSent = new Set<number>();
  readonly hideAcknowledged = new Set<number>();

  copy(): Progress {
    const copy = new Progress();
    copy.sent = this.sent;
    copy.acknowledged = this.acknowledged;
    for (const revision of this.hideSent) copy.hideSent.add(revision);
    for (const revision of this.hideAcknowledged) copy.hideAcknowledged.add(revision);
    return copy;
  }
}

export async function sendNext(store: Store, sessionId: string, progress: Progress): Promise<void> {
  const revision = ++progress.sent;
  const answer = await store.session(sessionId).commitRuntimeState(commitOf(sessionId, revision));
  assert.equal(answer.headRevision, revision);
  progress.acknowledged = Math.max(progress.acknowledged, revision);
}

export async function hide(
  store: Store,
  sessionId: string,
  revision: number,
  progress: Progress,
): Promise<void> {
  progress.hideSent.add(revision);
  await store.session(sessionId).tombstoneNodes([`x${revision}`]);
  progress.hideAcknowledged.add(revision);
}

/**
 * Nothing acknowledged is lost and nothing is there that was never sent: the state is whole at one revision
 * between the two. Answers that revision.
 */
export async function checkSession(
  store: Pick<Store, "session">,
  sessionId: string,
  progress: Progress,
): Promise<number> {
  const found = await store.session(sessionId).loadSession();
  const revision = found?.headRevision ?? 0;
  const told = `${sessionId} is at ${revision}, acknowledged ${progress.acknowledged}, sent ${progress.sent}`;
  assert.ok(revision >= progress.acknowledged && revision <= progress.sent, told);
  if (found === undefined) return 0;
  checkRead(found, sessionId, revision, progress);
  return revision;
}

function checkRead(
  found: PersistedSessionRead,
  sessionId: string,
  revision: number,
  progress: Progress,
): void {
  const { checkpoint: state, graph, tokenLedger } = found;
  assert.equal(graph.leafNodeId, `n${revision}`);
  assert.equal(state.turnState.turnIndex, revision);
  assert.deepEqual(state.toolState, toolState(revision % 5, sessionId));
  assert.deepEqual(state.executionState, noise(EXECUTION_BYTES, revision));
  assert.deepEqual(tokenLedger, [ledgerEntry("turn", "m", usage(revision))]);
  const ids = new Set(graph.nodes.map((node) => node.nodeId));
  for (let at = 1; at <= revision; at++) {
    assert.ok(ids.delete(`n${at}`), `${sessionId} lost n${at}`);
    const shown = ids.delete(`x${at}`);
    if (progress.hideAcknowledged.has(at)) assert.ok(!shown, `${sessionId} shows x${at}, which was hidden`);
    if (!progress.hideSent.has(at)) assert.ok(shown, `${sessionId} lost x${at}`);
  }
  assert.deepEqual([...ids], [], `${sessionId} holds nodes that no revision up to ${revision} has`);
}
