/**
 * Listing sessions newest first, by merging the snapshot's list with the sessions that have records beyond
 * it. Costs what it shows plus the tail; node pages are never read.
 *
 * The order is (LSN of the last commit, descending), sessions without a commit last, ties by id. A cursor
 * names a place in that order, so it stays good when sessions move.
 */
import { compareCodePoints } from "../codec.ts";
import { storeError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { pickerAfter } from "../session/picker.ts";
import { NO_PICKER, type PickerState, type SessionState } from "../session/state.ts";
import type { SessionMeta, SessionPickerInfo } from "../session/types.ts";
import type { SnapshotView } from "../snapshot/view.ts";
import type { Source } from "./source.ts";

/** A place in the listing's order. */
export interface ListPosition {
  readonly lastCommitLsn: Lsn;
  readonly sessionId: string;
}

interface Summary {
  readonly deleted: boolean;
  readonly headRevision: number | undefined;
  readonly meta: SessionMeta | undefined;
  readonly picker: PickerState;
  readonly lastCommitLsn: Lsn;
}

export function encodeCursor(position: ListPosition): string {
  return Buffer.from(JSON.stringify([position.lastCommitLsn, position.sessionId])).toString("base64url");
}

export function decodeCursor(cursor: unknown): ListPosition {
  try {
    const [lsn, id]: unknown[] = JSON.parse(Buffer.from(String(cursor), "base64url").toString());
    if (typeof cursor === "string" && Number.isSafeInteger(lsn) && typeof id === "string") {
      return { lastCommitLsn: lsn as number, sessionId: id };
    }
  } catch {
    // Falls through to the one refusal.
  }
  throw storeError(
    "INVALID_ARGUMENT",
    { argument: "after" },
    `after must be the cursor of a listed entry, not ${JSON.stringify(cursor)}`,
  );
}

export function comparePositions(a: ListPosition, b: ListPosition): number {
  return b.lastCommitLsn - a.lastCommitLsn || compareCodePoints(a.sessionId, b.sessionId);
}

/**
 * Entries behind `after`, in order. `resident` answers the visible state of a session in memory. Which
 * sessions come, and where, is fixed when the walk begins, so each comes once; what is shown of a session
 * is as new as the moment it is shown.
 */
export function* listEntries(
  source: Source,
  resident: (sessionId: string) => SessionState | undefined,
  options: { readonly after: ListPosition | undefined; readonly includeChildren: boolean },
): Generator<SessionPickerInfo> {
  const view = source.view;
  view.retain();
  try {
    for (const position of mergePositions(source, resident, view, options.after)) {
      const summary = summarise(source, resident, position.sessionId);
      if (summary.deleted || (summary.headRevision === undefined && summary.meta === undefined)) continue;
      if (summary.meta?.parentSessionId !== undefined && !options.includeChildren) continue;
      yield toPickerInfo(position, summary);
    }
  } finally {
    view.release();
  }
}

function* mergePositions(
  source: Source,
  resident: (sessionId: string) => SessionState | undefined,
  view: SnapshotView,
  after: ListPosition | undefined,
): Generator<ListPosition> {
  const inTail = source.tail.sessions();
  const dirty = [...inTail].map(([sessionId, tailLsn]): ListPosition => {
    const lsn =
      tailLsn > 0
        ? tailLsn
        : (resident(sessionId)?.lastCommitLsn ?? view.head(sessionId)?.lastCommitLsn ?? 0);
    return { lastCommitLsn: lsn, sessionId };
  });
  dirty.sort(comparePositions);
  let at = firstBehind(dirty, after);
  for (const position of view.list(after)) {
    // A session with newer records stands where the tail says.
    if (inTail.has(position.sessionId)) continue;
    for (let next = dirty[at]; next !== undefined && comparePositions(next, position) < 0; next = dirty[at]) {
      yield next;
      at++;
    }
    yield position;
  }
  yield* dirty.slice(at);
}

function firstBehind(sorted: readonly ListPosition[], after: ListPosition | undefined): number {
  if (after === undefined) return 0;
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = sorted[middle];
    if (entry !== undefined && comparePositions(entry, after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What a listing shows of a session, without its node pages. */
function summarise(
  source: Source,
  resident: (sessionId: string) => SessionState | undefined,
  sessionId: string,
): Summary {
  const state = resident(sessionId);
  if (state !== undefined) return { ...state, headRevision: state.head?.revision };
  const head = source.view.head(sessionId);
  let summary: Summary = {
    deleted: head?.deleted ?? false,
    headRevision: head?.head?.revision,
    meta: head?.meta,
    picker: head?.picker ?? NO_PICKER,
    lastCommitLsn: head?.lastCommitLsn ?? 0,
  };
  const folded = head?.lastLsn ?? 0;
  source.tail.forEachRecord(sessionId, (lsn, segment, offset) => {
    if (lsn <= folded) return;
    const record = source.record(segment, offset);
    if (record.kind === "commit") {
      summary = {
        ...summary,
        headRevision: record.revision,
        picker: pickerAfter(summary.picker, record.picker),
        lastCommitLsn: lsn,
      };
    } else if (record.kind === "tombstone") {
      summary = { ...summary, picker: pickerAfter(summary.picker, record.picker) };
    } else if (record.kind === "meta") {
      summary = { ...summary, meta: record.meta };
    } else if (record.kind === "delete") {
      summary = { ...summary, deleted: true };
    }
  });
  return summary;
}

function toPickerInfo(position: ListPosition, { headRevision, meta, picker }: Summary): SessionPickerInfo {
  const info: SessionPickerInfo = {
    sessionId: position.sessionId,
    firstUserMessage: picker.firstUserMessage,
    userMessageCount: picker.userMessageCount,
    cursor: encodeCursor(position),
  };
  if (meta?.cwd !== undefined) info.cwd = meta.cwd;
  if (meta?.parentSessionId !== undefined) info.parentSessionId = meta.parentSessionId;
  if (headRevision !== undefined) info.headRevision = headRevision;
  return info;
}
