/** `varve ls`: the sessions of a store, by last commit, newest first. Live or closed; writes nothing. */
import { openView, type StoreView } from "../../actors/view-of-moment.ts";
import { systemClock } from "../../clock.ts";
import type { ListOptions } from "../../contract.ts";
import { summariseSession } from "../../inspect/session-summary.ts";
import { listSessionsOf } from "../../list-sessions.ts";
import type { SessionPickerInfo } from "../../session/types.ts";
import { diskVfs } from "../../vfs/disk.ts";
import { parseCount, readArguments } from "../arguments.ts";
import { type Command, EXIT } from "../command.ts";
import { storePath } from "../directory.ts";
import type { Output } from "../output.ts";
import { idText, printable, table } from "../text.ts";

const HELP = `varve ls DIR [options]

Lists the sessions of a store by last commit, newest first; those without one last.
Reads a live or closed store without its lock and writes nothing.

  --all, --children   also sessions that have a parent (children and forks)
  --limit N           at most N sessions
  --after CURSOR      go on behind an entry; its cursor is printed by --json, and
                      by a listing that was cut short by --limit
  --json              one JSON object a line
  --help              print this

Exit codes: 0 listed, 64 bad arguments, 65 damaged, 66 no store there.
`;

const MOST_LISTED = 1_000_000_000;
/** Rows aligned at a time: a store may hold a million sessions. */
const ROWS_AT_A_TIME = 512;
const MESSAGE_CHARS = 60;

/** What is shown of a session. */
interface Row extends SessionPickerInfo {
  readonly nodes: number;
  readonly lastCommitLsn: number;
  readonly sessionName?: string;
}

export const lsCommand: Command = {
  help: HELP,
  run: async (args, { out }) => {
    const { values, positionals } = readArguments(args, {
      command: "ls",
      positionals: ["DIR"],
      options: {
        all: { type: "boolean" },
        children: { type: "boolean" },
        limit: { type: "string" },
        after: { type: "string" },
        json: { type: "boolean" },
      },
    });
    const [directory = ""] = positionals;
    const limit = values.limit === undefined ? undefined : parseCount("limit", values.limit, 0, MOST_LISTED);
    const view = openView(diskVfs, storePath(directory));
    try {
      const rows = rowsOf(view, {
        includeChildren: values.all === true || values.children === true,
        ...(values.after === undefined ? {} : { after: values.after }),
        ...(limit === undefined ? {} : { limit }),
      });
      await (values.json === true ? listJson(rows, out) : listText(rows, limit, out));
    } finally {
      view.release();
    }
    return EXIT.ok;
  },
};

async function* rowsOf(view: StoreView, options: ListOptions): AsyncGenerator<Row> {
  const store = {
    source: () => view.source,
    resident: () => undefined,
    check: () => {},
    clock: systemClock,
  };
  for await (const entry of listSessionsOf(store, options)) {
    const { nodes, lastCommitLsn, meta } = summariseSession(view, entry.sessionId);
    yield {
      ...entry,
      nodes,
      lastCommitLsn,
      ...(meta === undefined ? {} : { sessionName: meta.sessionName }),
    };
  }
}

async function listJson(rows: AsyncIterable<Row>, out: Output): Promise<void> {
  for await (const row of rows) {
    if (out.gone) return;
    await out.write(`${JSON.stringify(row)}\n`);
  }
}

async function listText(rows: AsyncIterable<Row>, limit: number | undefined, out: Output): Promise<void> {
  let page: Row[] = [];
  let shown = 0;
  let last: Row | undefined;
  for await (const row of rows) {
    if (out.gone) return;
    last = row;
    page.push(row);
    shown++;
    if (page.length < ROWS_AT_A_TIME) continue;
    await out.write(textOf(page));
    page = [];
  }
  await out.write(shown === 0 ? "no sessions\n" : textOf(page));
  if (last !== undefined && shown === limit) await out.write(`\nmore: --after ${last.cursor}\n`);
}

function textOf(rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const cells = rows.map(
    ({ sessionId, headRevision, nodes, lastCommitLsn, parentSessionId, firstUserMessage }) => [
      idText(sessionId),
      headRevision === undefined ? "-" : String(headRevision),
      headRevision === undefined ? "-" : String(nodes),
      headRevision === undefined ? "-" : String(lastCommitLsn),
      parentSessionId === undefined ? "-" : idText(parentSessionId),
      printable(firstUserMessage, MESSAGE_CHARS),
    ],
  );
  return table(
    [["SESSION", "REVISION", "NODES", "LAST LSN", "PARENT", "FIRST MESSAGE"], ...cells],
    [1, 2, 3],
  );
}
