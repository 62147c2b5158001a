/**
 * Reads and nodes as JSON text and back: what `JSON.stringify` loses (bigint, bytes) is tagged, and a map
 * that looks like a tag is escaped, so that every value that can be stored comes back equal.
 *
 * `{ "$bigint": "12" }`, `{ "$bytes": "<base64>" }`, and `{ "$map": [[key, value], …] }` for a map with any
 * key that starts with "$".
 */
import { setOwn } from "./payload.ts";

/** JSON text of a read, a node, or any value that can be stored. Members that are undefined are left out. */
export function toJson(value: unknown): string {
  return JSON.stringify(tag(value));
}

/** What `toJson` was given. Throws a SyntaxError on text that is no JSON. */
export function fromJson<Value = unknown>(text: string): Value {
  // The caller names the type it wrote; only `toJson` knows what lies in the text.
  return untag(JSON.parse(text)) as Value;
}

function tag(value: unknown): unknown {
  if (typeof value === "bigint") return { $bigint: value.toString() };
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (Array.isArray(value)) return value.map(tag);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  if (members.some(([key]) => key.startsWith("$"))) {
    return { $map: members.map(([key, member]) => [key, tag(member)]) };
  }
  return mapOf(members, tag);
}

function untag(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(untag);
  const { $bigint, $bytes, $map } = value as { $bigint?: unknown; $bytes?: unknown; $map?: unknown };
  if (typeof $bigint === "string") return BigInt($bigint);
  if (typeof $bytes === "string") return new Uint8Array(Buffer.from($bytes, "base64"));
  if (Array.isArray($map)) return mapOf($map as [string, unknown][], untag);
  return mapOf(Object.entries(value), untag);
}

function mapOf(
  members: readonly (readonly [string, unknown])[],
  convert: (value: unknown) => unknown,
): object {
  const map = {};
  for (const [key, member] of members) setOwn(map, key, convert(member));
  return map;
}
