/**
 * Reads a transcript: JSON lines in pi's session format, either the linear form (an entry follows the one
 * before it) or the tree form (`id`, `parentId`). A line that cannot be used is named and left out; it never
 * stops the rest. It decides nothing about nodes or commits (`mapping.ts`, `script.ts`).
 *
 * 1. `entries[i].parent` is below `i`: a transcript is a forest in file order.
 * 2. Every value of an entry may be stored: finite numbers, no −0, at most MAX_DEPTH levels.
 */
import { createHash } from "node:crypto";

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

export interface InputProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface Entry {
  readonly type: string;
  /** Index of the entry it follows; absent for a root. */
  readonly parent: number | undefined;
  readonly raw: JsonObject;
}

export interface Transcript {
  readonly file: string;
  /** First 8 hex digits of the file's SHA-256. */
  readonly fingerprint: string;
  /** The first `session` line. */
  readonly header: JsonObject | undefined;
  readonly entries: readonly Entry[];
  readonly problems: readonly InputProblem[];
}

/** Bytes of one line; below the store's default limit of a commit, with room for several lines in one. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
/** Levels of one line; the store promises 100 below a payload, and mapping adds a few of its own. */
const MAX_DEPTH = 90;
/** Largest token counter of one line: a thousand laps of a thousand such lines still sum exactly. */
const MAX_COUNTER = 1_000_000_000;

const NEWLINE = 0x0a;

export function parseTranscript(file: string, bytes: Uint8Array): Transcript {
  const parser = new Parser(file);
  let start = 0;
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    parser.line(line, bytes.subarray(start, end));
    start = end + 1;
  }
  const fingerprint = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
  const { header, entries, problems } = parser;
  return { file, fingerprint, header, entries, problems };
}

/** What is wrong with a line; caught where the line number is known. */
class BadLine extends Error {}

class Parser {
  readonly entries: Entry[] = [];
  readonly problems: InputProblem[] = [];
  header: JsonObject | undefined;
  readonly #file: string;
  readonly #byId = new Map<string, number>();
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  constructor(file: string) {
    this.#file = file;
  }

  line(line: number, bytes: Uint8Array): void {
    try {
      if (bytes.length > MAX_LINE_BYTES) throw new BadLine(`is longer than ${MAX_LINE_BYTES} bytes`);
      const text = this.#decode(bytes).trim();
      if (text !== "") this.#entry(line, parseObject(text));
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      this.#report(line, `${error.message}; left out`);
    }
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      throw new BadLine("is not UTF-8");
    }
  }

  #entry(line: number, raw: JsonObject): void {
    checkEntry(raw);
    if (raw.type === "session" && this.header === undefined) {
      this.header = raw;
      return;
    }
    const { id } = raw;
    if (typeof id === "string" && this.#byId.has(id))
      throw new BadLine(`repeats the id ${JSON.stringify(id)}`);
    const parent = this.#parent(line, raw);
    if (typeof id === "string") this.#byId.set(id, this.entries.length);
    this.entries.push({ type: textOf(raw, "type"), parent, raw });
  }

  /** An unknown parent is reported, and the entry then follows the one before it: its own children stay. */
  #parent(line: number, raw: JsonObject): number | undefined {
    const previous = this.entries.length === 0 ? undefined : this.entries.length - 1;
    const { parentId } = raw;
    if (parentId === null) return undefined;
    if (parentId === undefined) return previous;
    const parent = typeof parentId === "string" ? this.#byId.get(parentId) : undefined;
    if (parent !== undefined) return parent;
    this.#report(line, `names an unknown parent ${JSON.stringify(parentId)}; it follows the entry before it`);
    return previous;
  }

  #report(line: number, message: string): void {
    this.problems.push({ file: this.#file, line, message });
  }
}

function parseObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadLine(`is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(value)) throw new BadLine("is not a JSON object");
  normalize(value, 1);
  return value;
}

/** Refuses what no store can hold, and turns −0 into the 0 it would come back as. */
function normalize(value: JsonValue[] | JsonObject, depth: number): void {
  if (depth > MAX_DEPTH) throw new BadLine(`is nested deeper than ${MAX_DEPTH} levels`);
  for (const [key, item] of Object.entries(value)) {
    if (typeof item === "object" && item !== null) normalize(item, depth + 1);
    else if (typeof item === "number") {
      if (!Number.isFinite(item)) throw new BadLine("holds a number that is not finite");
      if (Object.is(item, -0)) Object.defineProperty(value, key, { value: 0 });
    }
  }
}

function checkEntry(raw: JsonObject): void {
  const type = textOf(raw, "type");
  if (raw.id !== undefined && typeof raw.id !== "string") throw new BadLine("has an id that is not text");
  if (type === "message") checkMessage(raw.message);
  else if (type === "model_change") {
    textOf(raw, "provider");
    textOf(raw, "modelId");
  } else if (type === "thinking_level_change") textOf(raw, "thinkingLevel");
  else if (type === "compaction") textOf(raw, "summary");
}

function checkMessage(message: JsonValue | undefined): void {
  if (!isObject(message)) throw new BadLine("is a message without a message object");
  const role = textOf(message, "role", "message.");
  if (role !== "user" && role !== "assistant" && role !== "toolResult") return;
  if (role === "toolResult") {
    textOf(message, "toolCallId", "message.");
    textOf(message, "toolName", "message.");
  }
  if (Array.isArray(message.content)) message.content.forEach(checkPart);
  else if (typeof message.content !== "string")
    throw new BadLine("message.content is neither text nor a list");
  if (message.usage !== undefined) checkUsage(message.usage);
}

const PART_TEXTS: { readonly [type: string]: readonly string[] } = {
  text: ["text"],
  thinking: ["thinking"],
  image: ["data", "mimeType"],
  toolCall: ["id", "name"],
};

function checkPart(part: JsonValue, index: number): void {
  const where = `message.content[${index}]`;
  if (!isObject(part)) throw new BadLine(`${where} is not an object`);
  const type = textOf(part, "type", `${where}.`);
  for (const key of PART_TEXTS[type] ?? []) textOf(part, key, `${where}.`);
  if (type === "toolCall" && part.arguments === undefined) throw new BadLine(`${where}.arguments is missing`);
}

function checkUsage(usage: JsonValue): void {
  if (!isObject(usage)) throw new BadLine("message.usage is not an object");
  for (const key of ["input", "output", "cacheRead", "cacheWrite"]) {
    const count = usage[key];
    if (count === undefined) continue;
    if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > MAX_COUNTER)
      throw new BadLine(`message.usage.${key} is not a count`);
  }
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(object: JsonObject, key: string, where = ""): string {
  const value = object[key];
  if (typeof value !== "string")
    throw new BadLine(`${where}${key} is ${value === undefined ? "missing" : "not text"}`);
  return value;
}
