/** One call and its answer, written down in the turns in which they happen. */
import type { ListOptions, VerifyReport } from "../../contract.ts";
import type { SessionNodeRecord, SessionPickerInfo } from "../../session/types.ts";
import type { Call, EntrySeen, NodeSeen, Value } from "./events.ts";
import type { Pen } from "./pen.ts";
import { recordEntry, recordNode } from "./record.ts";

export const DONE: Value = { kind: "done" };

export interface Asked {
  readonly sessionId?: string;
  readonly call: Call;
}

export async function follow<Result>(
  pen: Pen,
  { sessionId = "", call }: Asked,
  run: () => Promise<Result>,
  record: (result: Result) => Value,
): Promise<Result> {
  const id = pen.invoked(sessionId, call);
  let result: Result;
  try {
    result = await run();
  } catch (error) {
    pen.failed(id, error);
    throw error;
  }
  pen.answered(id, record(result));
  return result;
}

export function recordVerify(pen: Pen, run: () => Promise<VerifyReport>): Promise<VerifyReport> {
  return follow(pen, { call: { kind: "verify" } }, run, ({ problems }) => ({
    kind: "problems",
    problems: problems.map(({ file, code, message }) => ({ code, text: `${code} in ${file}: ${message}` })),
  }));
}

/** An iteration that its reader leaves early is never answered, and says nothing. */
export async function* recordIteration(
  pen: Pen,
  { sessionId = "", call }: Asked,
  run: () => AsyncIterable<SessionNodeRecord>,
): AsyncGenerator<SessionNodeRecord, void, undefined> {
  const id = pen.invoked(sessionId, call);
  const nodes: NodeSeen[] = [];
  try {
    for await (const node of run()) {
      nodes.push(recordNode(node));
      yield node;
    }
  } catch (error) {
    pen.failed(id, error);
    throw error;
  }
  pen.answered(id, { kind: "nodes", nodes });
}

/** A listing that its reader leaves early says nothing about the sessions it did not come to. */
export async function* recordListing(
  pen: Pen,
  asked: { readonly options: ListOptions; readonly view?: number },
  run: () => AsyncIterable<SessionPickerInfo>,
): AsyncGenerator<SessionPickerInfo, void, undefined> {
  const { after, limit, includeChildren = false } = asked.options;
  const view = asked.view === undefined ? {} : { view: asked.view };
  const partial = after !== undefined || limit !== undefined;
  const id = pen.invoked("", { kind: "list", includeChildren, partial, ...view });
  const entries: EntrySeen[] = [];
  try {
    for await (const info of run()) {
      entries.push(recordEntry(info));
      yield info;
    }
  } catch (error) {
    pen.failed(id, error);
    throw error;
  }
  pen.answered(id, { kind: "entries", entries });
}
