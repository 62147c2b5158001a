/**
 * Values as short comparable text, so that a history holds what was sent and answered at that moment and is
 * not touched by later changes. Equal values have equal fingerprints, whatever the order of their keys.
 * It deliberately uses none of the store's preparation; only content addresses share the codec, because what
 * a blob's address is belongs to the contract.
 */
import { sha256Hex } from "../../checksum.ts";
import { encodeCanonical } from "../../codec.ts";

/** Longer texts are shown by their start and their hash. Characters. */
const SHORT_CHARS = 120;
const SHOWN_CHARS = 24;

export function fingerprint(value: unknown): string {
  const text = textOf(value);
  if (text.length <= SHORT_CHARS) return text;
  return `${text.slice(0, SHOWN_CHARS)}…${sha256Hex(Buffer.from(text, "utf16le")).slice(0, 32)}`;
}

/** The content address the contract gives a value: SHA-256 of its canonical encoding. */
export function addressOf(value: unknown): string {
  return sha256Hex(encodeCanonical(value));
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return String(value === 0 ? 0 : value);
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : textOfObject(value);
    default:
      return String(value);
  }
}

function textOfObject(value: object): string {
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString("base64")})`;
  if (Array.isArray(value)) return `[${value.map(textOf).join(",")}]`;
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields).filter((key) => fields[key] !== undefined);
  return `{${keys
    .sort()
    .map((key) => `${JSON.stringify(key)}:${textOf(fields[key])}`)
    .join(",")}}`;
}
