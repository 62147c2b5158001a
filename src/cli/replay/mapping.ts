/**
 * A pi entry as a node of the graph. Nothing of the entry is lost: what has no field of its own travels in
 * `origin` and in the parts' meta fields, so that the line can be built again from its node. It decides
 * neither ids nor parents.
 */
import type { Json, Message, Part, SessionNodeRecord } from "../../session/types.ts";
import { isObject, type JsonObject, type JsonValue } from "./transcript.ts";

export interface NodePlace {
  readonly nodeId: string;
  readonly parentNodeId: string | undefined;
}

/** Roles that become conversation nodes; a message of any other role is kept as a plugin node. */
const ROLES = { user: "User", assistant: "Assistant", toolResult: "User" } as const;

export function nodeFromEntry(type: string, raw: JsonObject, place: NodePlace): SessionNodeRecord {
  const base = {
    nodeId: place.nodeId,
    ...(place.parentNodeId === undefined ? {} : { parentNodeId: place.parentNodeId }),
    timestamp: typeof raw.timestamp === "string" ? raw.timestamp : "",
  };
  const message = type === "message" && isObject(raw.message) ? raw.message : undefined;
  const role = message?.role;
  if (message !== undefined && (role === "user" || role === "assistant" || role === "toolResult")) {
    return { ...base, kind: "event", event: { conversation: toMessage(raw, message, role, place.nodeId) } };
  }
  if (type === "model_change")
    return { ...base, kind: "event", event: { mode: { modeId: "model", payload: raw } } };
  if (type === "thinking_level_change")
    return { ...base, kind: "event", event: { mode: { modeId: "thinking", payload: raw } } };
  return { ...base, kind: "plugin", pluginType: `pi.${type}`, body: raw };
}

function toMessage(raw: JsonObject, message: JsonObject, role: keyof typeof ROLES, id: string): Message {
  const { message: _message, ...entry } = raw;
  const { content, ...rest } = message;
  const { form, items } = itemsOf(content);
  const parts = items.map((item, index) => toPart(item, message, `${id}.${index}`));
  return { id, role: ROLES[role], parts, origin: { kind: "pi", form, entry, message: rest } };
}

function toPart(item: JsonObject, message: JsonObject, id: string): Part {
  if (message.role === "toolResult") return toResult(item, message, id);
  const { type } = item;
  if (type === "text") {
    const { type: _type, text, ...rest } = item;
    return { id, kind: "Text", content: String(text), pruneState: "Intact", ...meta("responseMeta", rest) };
  }
  if (type === "thinking") {
    const { type: _type, thinking, ...rest } = item;
    const content = String(thinking);
    return { id, kind: "Reasoning", content, pruneState: "Intact", ...meta("reasoningMeta", rest) };
  }
  if (type === "toolCall") {
    const { type: _type, id: callId, name, arguments: args, ...rest } = item;
    const call = { toolCallId: String(callId), toolName: String(name), ...meta("toolReplay", rest) };
    return { id, kind: "ToolCall", content: JSON.stringify(args), pruneState: "Intact", ...call };
  }
  if (type === "image") {
    return { id, kind: "Image", content: "", pruneState: "Intact", attachment: toAttachment(item) };
  }
  return { id, kind: "Output", content: "", pruneState: "Intact", attachment: item };
}

function toResult(item: JsonObject, message: JsonObject, id: string): Part {
  const result = baseResult(message, id);
  if (item.type !== "text") {
    return { ...result, attachment: item.type === "image" ? toAttachment(item) : item };
  }
  const { type: _type, text, ...rest } = item;
  return { ...result, content: String(text), ...meta("responseMeta", rest) };
}

function baseResult(message: JsonObject, id: string): Part {
  const toolCallId = String(message.toolCallId);
  const toolName = String(message.toolName);
  return { id, kind: "ToolResult", content: "", pruneState: "Intact", toolCallId, toolName };
}

/** Base64 becomes bytes where that can be undone exactly; any other text stays as it is. */
function toAttachment(image: JsonObject): Json {
  const { data, ...rest } = image;
  const bytes = Buffer.from(String(data), "base64");
  if (bytes.toString("base64") !== data) return image;
  return { ...rest, bytes: new Uint8Array(bytes) };
}

/** The field, unless there is nothing to put in it. */
function meta<Key extends string>(key: Key, rest: JsonObject): { [K in Key]?: Json } {
  if (Object.keys(rest).length === 0) return {};
  return { [key]: rest } as { [K in Key]?: Json };
}

/** An empty list becomes one empty text: tool results and prompts are told apart by their parts. */
function itemsOf(content: JsonValue | undefined): { form: "text" | "list" | "empty"; items: JsonObject[] } {
  if (typeof content === "string") return { form: "text", items: [{ type: "text", text: content }] };
  const items = Array.isArray(content) ? content.filter(isObject) : [];
  if (items.length === 0) return { form: "empty", items: [{ type: "text", text: "" }] };
  return { form: "list", items };
}
