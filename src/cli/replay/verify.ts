/**
 * Compares a whole store with what was sent: every session with its model, the listing, and the store's own
 * check of its files. It goes on after a problem, so that one run names them all; it writes nothing.
 */
import type { Store } from "../../contract.ts";
import { isStoreError } from "../../errors.ts";
import type { SessionPickerInfo } from "../../session/types.ts";
import { type ComparedCounts, comparePicker, compareSession, nothingCompared, readFound } from "./found.ts";
import { SessionModel } from "./model.ts";
import { SessionScript, sessionId } from "./script.ts";
import type { Source } from "./source.ts";

export interface ExpectedSession {
  readonly session: number;
  /** Steps that were sent and acknowledged. */
  readonly revision: number;
}

export interface Verification {
  readonly compared: ComparedCounts;
  /** One sentence each, beginning with the session or file. */
  readonly problems: readonly string[];
  /** True when every session was looked at; false when it was stopped. */
  readonly complete: boolean;
}

/** Sentences of one session; the rest is counted. */
const SHOWN_PER_SESSION = 4;
/** Entries asked for at once when the listing is read in pages. */
const PAGE = 50;

export async function verifyStore(
  store: Store,
  source: Source,
  expected: readonly ExpectedSession[],
  signal: AbortSignal,
): Promise<Verification> {
  const compared = nothingCompared();
  const problems: string[] = [];
  const listing = await readListing(store, problems);
  for (const { session, revision } of expected) {
    if (signal.aborted) return { compared, problems, complete: false };
    const id = sessionId(session);
    const model = expectedModel(source, session, revision);
    try {
      const found = await readFound(store.session(id));
      const differences = [
        ...compareSession(model, found, compared),
        ...comparePicker(model, listing.get(id)),
      ];
      problems.push(...shorten(id, differences));
    } catch (error) {
      problems.push(`${id}: ${describeError(error)}`);
    }
  }
  const report = await store.verify();
  for (const { file, offset, sessionId: owner, code, message } of report.problems) {
    const place = `${file}${offset === undefined ? "" : ` at ${offset}`}${owner === undefined ? "" : ` (${owner})`}`;
    problems.push(`${place}: ${code} ${message}`);
  }
  if (!report.ok && report.problems.length === 0)
    problems.push("the store's own check fails without saying why");
  return { compared, problems, complete: true };
}

/** The model after `revision` steps and everything that follows them. */
function expectedModel(source: Source, session: number, revision: number): SessionModel {
  const script = new SessionScript(source, session);
  const model = new SessionModel();
  model.meta = script.meta();
  while (model.revision < revision) {
    const step = script.next();
    model.commit(step);
    for (const action of step.after) model.act(action);
  }
  return model;
}

/** Every entry by session id, read in one go and in pages; both must say the same. */
async function readListing(store: Store, problems: string[]): Promise<Map<string, SessionPickerInfo>> {
  const listing = new Map<string, SessionPickerInfo>();
  try {
    const ids: string[] = [];
    for await (const info of store.listSessions({ includeChildren: true })) {
      if (listing.has(info.sessionId)) problems.push(`${info.sessionId}: it is listed twice`);
      listing.set(info.sessionId, info);
      ids.push(info.sessionId);
    }
    const paged = await readPages(store, ids.length);
    if (paged.join("\n") !== ids.join("\n")) problems.push("the listing in pages differs from the whole one");
  } catch (error) {
    problems.push(`the listing: ${describeError(error)}`);
  }
  return listing;
}

async function readPages(store: Store, atMost: number): Promise<string[]> {
  const ids: string[] = [];
  let after: string | undefined;
  do {
    const asked = { includeChildren: true, limit: PAGE, ...(after === undefined ? {} : { after }) };
    after = undefined;
    for await (const info of store.listSessions(asked)) {
      ids.push(info.sessionId);
      after = info.cursor;
    }
  } while (after !== undefined && ids.length <= atMost);
  return ids;
}

export function shorten(id: string, differences: readonly string[]): string[] {
  const shown = differences.slice(0, SHOWN_PER_SESSION).map((difference) => `${id}: ${difference}`);
  const more = differences.length - shown.length;
  return more === 0 ? shown : [...shown, `${id}: and ${more} more differences`];
}

/** A store error with its code, and the file where it names one; anything else by its message. */
export function describeError(error: unknown): string {
  if (!isStoreError(error)) return error instanceof Error ? error.message : String(error);
  const named = "file" in error && !error.message.includes(error.file) ? ` [${error.file}]` : "";
  return `${error.code} ${error.message}${named}`;
}
