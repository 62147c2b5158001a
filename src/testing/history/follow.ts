/** One call and its answer, written down in the turns in which they happen. */
import type { ListOptions, VerifyReport } from "../../contract.ts";
import type { SessionPickerInfo } from "../../session/types.ts";
import type { Call, EntrySeen, Value } from "./events.ts";
import type { History } from "./history.ts";
import { recordEntry } from "./record.ts";

export const DONE: Value = { kind: "done" };

export interface Asked {
  readonly sessionId?: string;
  readonly call: Call;
}

export async function follow<Result>(
  history: History,
  { sessionId = "", call }: Asked,
  run: () => Promise<Result>,
  record: (result: Result) => Value,
): Promise<Result> {
  const id = history.invoked(sessionId, call);
  let result: Result;
  try {
    result = await run();
  } catch (error) {
    history.failed(id, error);
    throw error;
  }
  history.answered(id, record(result));
  return result;
}

export function recordVerify(history: History, run: () => Promise<VerifyReport>): Promise<VerifyReport> {
  return follow(history, { call: { kind: "verify" } }, run, ({ problems }) => ({
    kind: "problems",
    problems: problems.map(({ file, code, message }) => `${code} in ${file}: ${message}`),
  }));
}

/** A listing that its reader leaves early says nothing about the sessions it did not come to. */
export async function* recordListing(
  history: History,
  asked: { readonly options: ListOptions; readonly view?: number },
  run: () => AsyncIterable<SessionPickerInfo>,
): AsyncGenerator<SessionPickerInfo, void, undefined> {
  const { after, limit, includeChildren = false } = asked.options;
  const view = asked.view === undefined ? {} : { view: asked.view };
  const partial = after !== undefined || limit !== undefined;
  const id = history.invoked("", { kind: "list", includeChildren, partial, ...view });
  const entries: EntrySeen[] = [];
  try {
    for await (const info of run()) {
      entries.push(recordEntry(info));
      yield info;
    }
  } catch (error) {
    history.failed(id, error);
    throw error;
  }
  history.answered(id, { kind: "entries", entries });
}
