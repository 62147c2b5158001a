/**
 * What a listing shows of a session: how many user messages its live nodes hold, and the text of the first.
 * Kept up to date by commits and tombstones, so that reading it costs nothing; the text is decoded only when
 * another node becomes the first.
 *
 * A message of role "User" counts unless it holds nothing but tool calls or results (hosts send those under
 * that role). One without any parts counts.
 */
import { decodeValue } from "../codec.ts";
import { MAX_FIRST_USER_MESSAGE_CHARS } from "../limits.ts";
import { NODE_USER_MESSAGE } from "./node-entry.ts";
import type { NodeFact } from "./record.ts";
import { isLive, newPicker, type PickerChange, type PickerState, type SessionState } from "./state.ts";

/** Whether this event is a message that counts. Looks only at own data of a checked value. */
export function countsAsUserMessage(event: unknown): boolean {
  const message = own(event, "conversation");
  if (own(message, "role") !== "User") return false;
  const parts = own(message, "parts");
  return !Array.isArray(parts) || parts.length === 0 || !parts.every(isToolPart);
}

/** The parts that are not tool parts joined by a blank line, trimmed, at most 1,024 characters. */
export function userMessageText(event: unknown): string {
  const parts = own(own(event, "conversation"), "parts");
  if (!Array.isArray(parts)) return "";
  const texts = parts.filter((part) => !isToolPart(part)).map(partText);
  return cut(
    texts
      .filter((text) => text !== undefined)
      .join("\n\n")
      .trim(),
  );
}

export function pickerAfterAppend(state: SessionState, nodes: readonly NodeFact[]): PickerState {
  let first: NodeFact | undefined;
  let count = 0;
  for (const node of nodes) {
    if (!isUserMessage(node)) continue;
    first ??= node;
    count++;
  }
  if (first === undefined) return state.picker;
  const { firstUserMessage, userMessageCount } = state.picker;
  return {
    firstUserMessage: userMessageCount === 0 ? textOfBody(first.body) : firstUserMessage,
    userMessageCount: userMessageCount + count,
  };
}

export function pickerAfterReplace(nodes: readonly NodeFact[]): PickerState {
  const counted = nodes.filter(isUserMessage);
  const [first] = counted;
  return {
    firstUserMessage: first === undefined ? "" : textOfBody(first.body),
    userMessageCount: counted.length,
  };
}

/** `hidden` are live nodes of the state. */
export function pickerAfterTombstone(state: SessionState, hidden: ReadonlySet<string>): PickerState {
  const { entries } = state.nodes;
  const before = state.picker.userMessageCount;
  let userMessageCount = before;
  for (const id of hidden) {
    const entry = entries[state.nodes.slots.get(id) ?? -1];
    if (entry !== undefined && isUserMessage(entry)) userMessageCount--;
  }
  if (userMessageCount === before) return state.picker;
  for (let slot = 0; slot < state.length; slot++) {
    const entry = entries[slot];
    if (entry === undefined || !isUserMessage(entry) || !isLive(state, slot) || hidden.has(entry.id))
      continue;
    return { firstUserMessage: textOfBody(entry.body), userMessageCount };
  }
  return { firstUserMessage: "", userMessageCount };
}

/** What a record has to say; undefined if nothing changed. */
export function pickerChange(before: PickerState, after: PickerState): PickerChange | undefined {
  const { firstUserMessage, userMessageCount } = after;
  if (firstUserMessage !== before.firstUserMessage) return after;
  return userMessageCount === before.userMessageCount
    ? undefined
    : { firstUserMessage: undefined, userMessageCount };
}

export function pickerAfter(before: PickerState, change: PickerChange | undefined): PickerState {
  if (change === undefined) return before;
  const { firstUserMessage = before.firstUserMessage, userMessageCount } = change;
  return newPicker(firstUserMessage, userMessageCount);
}

function isUserMessage(node: { readonly flags: number }): boolean {
  return (node.flags & NODE_USER_MESSAGE) !== 0;
}

function textOfBody(body: Uint8Array): string {
  return userMessageText(own(decodeValue(body), "event"));
}

function isToolPart(part: unknown): boolean {
  const kind = own(part, "kind");
  return kind === "ToolCall" || kind === "ToolResult";
}

function partText(part: unknown): string | undefined {
  if (own(part, "kind") === "Image") return "[Image attached]";
  const content = own(part, "content");
  return typeof content === "string" ? content : undefined;
}

/** Never cuts a surrogate pair in two. */
function cut(text: string): string {
  if (text.length <= MAX_FIRST_USER_MESSAGE_CHARS) return text;
  const last = text.charCodeAt(MAX_FIRST_USER_MESSAGE_CHARS - 1);
  const next = text.charCodeAt(MAX_FIRST_USER_MESSAGE_CHARS);
  const splitsPair = last >= 0xd800 && last < 0xdc00 && next >= 0xdc00 && next < 0xe000;
  return text.slice(0, splitsPair ? MAX_FIRST_USER_MESSAGE_CHARS - 1 : MAX_FIRST_USER_MESSAGE_CHARS);
}

function own(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}
