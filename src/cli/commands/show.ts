/** `varve show`: one session of a store, for reading or as JSON. Live or closed; writes nothing. */
import type { ReadOnlyStore, SessionReader } from "../../contract.ts";
import { MAX_COUNTER } from "../../limits.ts";
import { openStoreReadOnly } from "../../read-only.ts";
import { toJson } from "../../session/json.ts";
import type { SessionReadScope } from "../../session/types.ts";
import { parseCount, readArguments } from "../arguments.ts";
import { type Command, CommandError, EXIT, UsageError } from "../command.ts";
import type { Output } from "../output.ts";
import { painter } from "../text.ts";
import {
  checkpointText,
  type Head,
  headText,
  ledgerText,
  metaText,
  nodeLine,
  nodeText,
} from "./show-text.ts";

const HELP = `varve show DIR SESSION [what] [options]

Shows one session: its head, then its active path, one line a node.
Reads a live or closed store without its lock and writes nothing.

  --path          head and active path (default)
  --limit N       of the path only its newest N nodes; says from where to go on
  --leaf ID       the path of that node instead of the head's
  --full          head and all live nodes, in insertion order
  --node ID       that node, whole, on or off the active path
  --checkpoint    turn state, tool state, plugins, execution state
  --ledger        token usage by source and model
  --meta          name, model, directory, parent
  --json          as JSON; bytes and 64-bit numbers as fromJson of the package reads them
  --help          print this

Exit codes: 0 shown, 1 no such session or node, 64 bad arguments, 65 damaged,
66 no store there.
`;

const WHAT = ["path", "full", "node", "checkpoint", "ledger", "meta"] as const;
const NOTHING_THERE = 1;

interface Show {
  readonly reader: SessionReader;
  readonly out: Output;
  readonly json: boolean;
  readonly color: boolean;
}

export const showCommand: Command = {
  help: HELP,
  run: async (args, { out, color }) => {
    const { values, positionals } = readArguments(args, {
      command: "show",
      positionals: ["DIR", "SESSION"],
      options: {
        path: { type: "boolean" },
        limit: { type: "string" },
        leaf: { type: "string" },
        full: { type: "boolean" },
        node: { type: "string" },
        checkpoint: { type: "boolean" },
        ledger: { type: "boolean" },
        meta: { type: "boolean" },
        json: { type: "boolean" },
      },
    });
    const asked = WHAT.filter((name) => values[name] !== undefined);
    if (asked.length > 1) throw new UsageError(`--${asked.join(" and --")} do not go together`);
    const what = asked[0] ?? "path";
    const scope = scopeOf(what, values);
    const [directory = "", sessionId = ""] = positionals;
    const store = await openStoreReadOnly(directory);
    try {
      const reader = readerOf(store, sessionId);
      const show = { reader, out, json: values.json === true, color };
      if (values.node !== undefined) return await showNode(show, values.node);
      if (values.meta === true) return await showMeta(show);
      return await showHead(show, { what, scope });
    } finally {
      await store.close();
    }
  },
};

function scopeOf(
  what: (typeof WHAT)[number],
  { limit, leaf }: { readonly limit?: string; readonly leaf?: string },
): SessionReadScope {
  const given = limit === undefined ? "leaf" : "limit";
  if (what !== "path" && (limit ?? leaf) !== undefined)
    throw new UsageError(`--${given} is of a path and does not go with --${what}`);
  if (what === "full") return { kind: "fullGraph" };
  return {
    kind: "activePath",
    ...(leaf === undefined ? {} : { leafNodeId: leaf }),
    ...(limit === undefined ? {} : { limit: parseCount("limit", limit, 1, MAX_COUNTER) }),
  };
}

function readerOf(store: ReadOnlyStore, sessionId: string): SessionReader {
  try {
    return store.session(sessionId);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function showNode({ reader, out, json }: Show, nodeId: string): Promise<number> {
  const node = await reader.loadNode(nodeId);
  if (node === undefined)
    return missing(`session ${quoted(reader.sessionId)} has no live node ${quoted(nodeId)}`);
  await out.write(json ? `${toJson(node)}\n` : nodeText(node));
  return EXIT.ok;
}

async function showMeta({ reader, out, json }: Show): Promise<number> {
  const meta = await reader.loadSessionMeta();
  if (meta === undefined) return missing(`session ${quoted(reader.sessionId)} has no meta`);
  await out.write(json ? `${toJson(meta)}\n` : metaText(meta));
  return EXIT.ok;
}

async function showHead(
  { reader, out, json, color }: Show,
  { what, scope }: { readonly what: (typeof WHAT)[number]; readonly scope: SessionReadScope },
): Promise<number> {
  const read = await reader.loadSession(scope);
  if (read === undefined) {
    const meta = await reader.loadSessionMeta();
    return missing(
      `session ${quoted(reader.sessionId)} ${meta === undefined ? "is not there" : "has no head, only meta"}`,
    );
  }
  if (what === "checkpoint" || what === "ledger") {
    const value = what === "checkpoint" ? read.checkpoint : read.tokenLedger;
    const text = (): string =>
      what === "checkpoint" ? checkpointText(read.checkpoint) : ledgerText(read.tokenLedger);
    await out.write(json ? `${toJson(value)}\n` : text());
    return EXIT.ok;
  }
  if (json) {
    await out.write(`${toJson(read)}\n`);
    return EXIT.ok;
  }
  const paint = painter(color);
  const head: Head = { ...read, meta: await reader.loadSessionMeta() };
  await out.write(`${headText(head)}\n`);
  for (const node of read.graph.nodes) {
    if (out.gone) break;
    await out.write(
      `${nodeLine(node, { paint, withParent: what === "full", leaf: read.graph.leafNodeId })}\n`,
    );
  }
  if (read.nextOlderNodeId !== undefined)
    await out.write(`\nolder: --leaf ${quoted(read.nextOlderNodeId)}\n`);
  return EXIT.ok;
}

function missing(message: string): never {
  throw new CommandError(NOTHING_THERE, message);
}

function quoted(id: string): string {
  return JSON.stringify(id);
}
