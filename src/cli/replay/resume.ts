/**
 * Finds out what a store already holds of each session, and whether that is what was sent. A head at
 * revision R means that steps 1 to R were sent; an owner that was killed may have missed calls behind step
 * R, so every beginning of them is accepted. It writes nothing: a store that differs is left as it is.
 */
import type { Store } from "../../contract.ts";
import type { HydratedSessionCheckpoint } from "../../session/types.ts";
import { compareSession, type FoundSession, nothingCompared, readFound } from "./found.ts";
import { SessionModel } from "./model.ts";
import { SessionScript, type Step, sessionId } from "./script.ts";
import type { Source } from "./source.ts";
import { describeError, shorten } from "./verify.ts";

/** Refs of the components a session has; carried by the next commit. */
export type CarriedRefs = Pick<
  HydratedSessionCheckpoint,
  "toolStateRef" | "pluginSnapshotRef" | "executionStateRef"
>;

export interface ResumedSession {
  readonly session: number;
  readonly script: SessionScript;
  readonly revision: number;
  readonly refs: CarriedRefs;
  /** The step that made `revision`; its answer may have been lost. */
  readonly last: Step | undefined;
}

export interface Resumption {
  readonly sessions: readonly ResumedSession[];
  /** Revisions found, over all sessions. */
  readonly commits: number;
  /** Sessions that were there. */
  readonly found: number;
  /** Sessions of other origin; they are left alone. */
  readonly foreign: number;
  readonly problems: readonly string[];
}

/** A session whose stored name says that another input was played. */
interface OtherOrigin {
  readonly id: string;
  readonly recordedFrom: string;
  readonly plays: string;
}

const SESSION_ID = /^replay-(\d{4,})$/;

export async function resumeSessions(
  store: Store,
  source: Source,
  wanted: number,
  signal: AbortSignal,
): Promise<Resumption> {
  const { numbers, foreign } = await findSessions(store, wanted);
  const sessions: ResumedSession[] = [];
  const problems: string[] = [];
  const others: OtherOrigin[] = [];
  let found = 0;
  for (const session of numbers) {
    if (signal.aborted) break;
    try {
      const state = await readFound(store.session(sessionId(session)));
      if (state.meta !== undefined || state.read !== undefined) found += 1;
      const resumed = resumeSession(source, session, state);
      if ("recordedFrom" in resumed) others.push(resumed);
      else if ("problems" in resumed) problems.push(...shorten(sessionId(session), resumed.problems));
      else sessions.push(resumed);
    } catch (error) {
      problems.push(`${sessionId(session)}: ${describeError(error)}`);
    }
  }
  problems.unshift(...describeOthers(others));
  const commits = sessions.reduce((sum, { revision }) => sum + revision, 0);
  return { sessions, commits, found, foreign, problems };
}

/** The wanted sessions, and those of earlier runs with more of them. */
async function findSessions(store: Store, wanted: number): Promise<{ numbers: number[]; foreign: number }> {
  const numbers = new Set(Array.from({ length: wanted }, (_, index) => index + 1));
  let foreign = 0;
  for await (const { sessionId: id } of store.listSessions({ includeChildren: true })) {
    const number = Number(SESSION_ID.exec(id)?.[1] ?? 0);
    if (number > 0 && sessionId(number) === id) numbers.add(number);
    else foreign += 1;
  }
  return { numbers: [...numbers].sort((left, right) => left - right), foreign };
}

function resumeSession(
  source: Source,
  session: number,
  found: FoundSession,
): ResumedSession | OtherOrigin | { readonly problems: readonly string[] } {
  const script = new SessionScript(source, session);
  const { meta, read } = found;
  if (meta !== undefined && !script.isOwnMeta(meta)) {
    return { id: sessionId(session), recordedFrom: meta.sessionName, plays: script.meta().sessionName };
  }
  const model = new SessionModel();
  if (meta !== undefined || read !== undefined) model.meta = script.meta();
  let last: Step | undefined;
  while (model.revision < (read?.headRevision ?? 0)) {
    for (const action of last?.after ?? []) model.act(action);
    last = script.next();
    model.commit(last);
  }
  let problems = compareSession(model, found, nothingCompared());
  for (const action of last?.after ?? []) {
    if (problems.length === 0) break;
    model.act(action);
    problems = compareSession(model, found, nothingCompared());
  }
  if (problems.length > 0) return { problems };
  return { session, script, revision: model.revision, refs: refsOf(read?.checkpoint ?? {}), last };
}

/** One sentence for all of them: whoever changed the input changed it for every session. */
function describeOthers(others: readonly OtherOrigin[]): string[] {
  const [first] = others;
  if (first === undefined) return [];
  const rest = others.length === 1 ? "" : ` (and ${others.length - 1} more sessions)`;
  const what = `was recorded from "${first.recordedFrom}", this run plays "${first.plays}"`;
  return [`${first.id}${rest}: it ${what}; give the same input or another --dir`];
}

/** The refs among the fields of a checkpoint; absent stays absent. */
export function refsOf(checkpoint: CarriedRefs): CarriedRefs {
  const { toolStateRef, pluginSnapshotRef, executionStateRef } = checkpoint;
  return {
    ...(toolStateRef === undefined ? {} : { toolStateRef }),
    ...(pluginSnapshotRef === undefined ? {} : { pluginSnapshotRef }),
    ...(executionStateRef === undefined ? {} : { executionStateRef }),
  };
}
