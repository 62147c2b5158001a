/** Ids and branded values: what may name a session, a node or a blob. */
import { storeError } from "./errors.ts";
import { MAX_ID_BYTES } from "./limits.ts";

/** Lowercase hex SHA-256 of the uncompressed canonical encoding of a value: 64 characters. */
export type BlobRef = string & { readonly __blobRef: unique symbol };
/** Ordinal of a record in the log: from 1, no gaps. 0 means "before the first". */
export type Lsn = number;

const REF_PATTERN = /^[0-9a-f]{64}$/;

export function isBlobRef(value: unknown): value is BlobRef {
  return typeof value === "string" && REF_PATTERN.test(value);
}

/** Why `value` cannot be an id, or undefined if it can. */
export function idProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return `must be a string, not ${value === null ? "null" : typeof value}`;
  if (value === "") return "must not be empty";
  if (!value.isWellFormed()) return "must not contain lone surrogates";
  // A UTF-16 unit is at most three bytes of UTF-8, so short ids need no count.
  if (value.length * 3 > MAX_ID_BYTES && Buffer.byteLength(value) > MAX_ID_BYTES) {
    return `must be at most ${MAX_ID_BYTES} bytes of UTF-8, not ${Buffer.byteLength(value)}`;
  }
  return undefined;
}

export function refFromBytes(digest: Uint8Array): BlobRef {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex") as BlobRef;
}

export function refToBytes(ref: string): Uint8Array {
  return Buffer.from(ref, "hex");
}

/** The session id, or INVALID_ARGUMENT. */
export function checkSessionId(value: unknown): string {
  const problem = idProblem(value);
  if (problem !== undefined) {
    throw storeError("INVALID_ARGUMENT", { argument: "sessionId" }, `sessionId ${problem}`);
  }
  return value as string;
}
