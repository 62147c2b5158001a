/** What `varve show` prints for people. Text of a session is shown, never trusted: see `printable`. */
import { toJson } from "../../session/json.ts";
import type {
  HydratedSessionCheckpoint,
  PersistedSessionRead,
  SessionMeta,
  SessionNodeRecord,
  TokenLedgerEntry,
} from "../../session/types.ts";
import { idText, type Paint, printable, table } from "../text.ts";
import { count, size } from "../units.ts";

const LINE_CHARS = 100;

export type Head = PersistedSessionRead & { readonly meta: SessionMeta | undefined };

export function headText(head: Head): string {
  const { sessionId, headRevision, config, graph, checkpoint, checkpointRef, tokenLedger, meta } = head;
  const tokens = tokenLedger.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0);
  const window = config.contextWindow === 0 ? "" : `, window ${config.contextWindow.toLocaleString("en-US")}`;
  const nodes = `${count(graph.nodes.length, "node")}${head.graphIsPartial ? " on the active path" : ""}`;
  return table([
    ["session", idText(sessionId)],
    ...(meta === undefined ? [] : [["name", printable(meta.sessionName)]]),
    ...(meta?.parentSessionId === undefined ? [] : [["parent", idText(meta.parentSessionId)]]),
    ["revision", String(headRevision)],
    ["model", `${printable(config.configuredModel)} by ${printable(config.providerId)}${window}`],
    ["mode", printable(config.executionMode)],
    ["turn", String(checkpoint.turnState.turnIndex)],
    ["tokens", `${tokens.toLocaleString("en-US")} in and out`],
    ["checkpoint", checkpointRef],
    ["leaf", graph.leafNodeId === undefined ? "none" : idText(graph.leafNodeId)],
    ["nodes", nodes],
  ]);
}

export interface NodeLineStyle {
  readonly paint: Paint;
  readonly withParent: boolean;
  readonly leaf: string | undefined;
}

/** A node on one line: its id, who or what it is, and how it begins. */
export function nodeLine(node: SessionNodeRecord, { paint, withParent, leaf }: NodeLineStyle): string {
  const parent = withParent
    ? ` < ${node.parentNodeId === undefined ? "root" : idText(node.parentNodeId)}`
    : "";
  const mark = node.nodeId === leaf ? "*" : " ";
  const { who, text } = gist(node);
  return `${mark} ${paint("bold", idText(node.nodeId))}${paint("dim", parent)}  ${who}  ${printable(text, LINE_CHARS)}`;
}

function gist(node: SessionNodeRecord): { readonly who: string; readonly text: string } {
  if (node.kind === "plugin") return { who: `plugin ${printable(node.pluginType)}`, text: toJson(node.body) };
  // Hosts may store any event; only what has the known shape is shown as a message.
  const event = node.event as { conversation?: { role?: unknown; parts?: unknown } };
  const { role, parts } = event.conversation ?? {};
  if (typeof role !== "string" || !Array.isArray(parts)) {
    const [name = "event"] =
      typeof node.event === "object" && node.event !== null ? Object.keys(node.event) : [];
    return { who: printable(name), text: toJson(node.event) };
  }
  return { who: printable(role), text: parts.map(partText).join(" ") };
}

function partText(part: unknown): string {
  const { kind, content, toolName } = part as { kind?: unknown; content?: unknown; toolName?: unknown };
  const text = typeof content === "string" ? content : toJson(content);
  if (kind === "Text") return text;
  return `[${String(kind)}${typeof toolName === "string" ? ` ${toolName}` : ""}] ${text}`;
}

/** The whole node: its fields as indented JSON. */
export function nodeText(node: SessionNodeRecord): string {
  return indented(node);
}

export function metaText(meta: SessionMeta): string {
  return table(Object.entries(meta).map(([key, value]) => [key, printable(String(value))]));
}

export function checkpointText(checkpoint: HydratedSessionCheckpoint): string {
  const { executionState, ...rest } = checkpoint;
  const execution =
    executionState === undefined ? "" : `execution state: ${size(executionState.length)}, see --json\n`;
  return indented(rest) + execution;
}

export function ledgerText(ledger: readonly TokenLedgerEntry[]): string {
  if (ledger.length === 0) return "no usage\n";
  const rows = ledger.map(({ source, model, usage }) => [
    printable(source),
    printable(model),
    ...[usage.inputTokens, usage.outputTokens, usage.cachedInputTokens, usage.reasoningTokens].map((tokens) =>
      tokens.toLocaleString("en-US"),
    ),
  ]);
  return table([["SOURCE", "MODEL", "INPUT", "OUTPUT", "CACHED", "REASONING"], ...rows], [2, 3, 4, 5]);
}

/** JSON of a value that may hold bytes and bigints. Every control character comes out as an escape. */
function indented(value: unknown): string {
  const text = JSON.stringify(JSON.parse(toJson(value)), null, 2);
  return `${text
    .split("\n")
    .map((line) => printable(line))
    .join("\n")}\n`;
}
