/**
 * Every error a caller can meet. One class, told apart by `code`; `retry` says what a host should do.
 * It deliberately has no subclasses: `instanceof` breaks across threads and copies of the package, so
 * `isStoreError` recognises an error by its brand.
 */

/** What a host does next: read again and decide again, send it again, reopen the store, or fix the call. */
export type Retry = "reload" | "same" | "reopen" | "never";

/** Fields each code carries besides `message`. */
export interface StoreErrorFields {
  INVALID_ARGUMENT: { argument: string };
  INVALID_OPTION: { option: string };
  INVALID_COMMIT: { path: string };
  INVALID_GRAPH: { nodeId?: string };
  NODE_ID_COLLISION: { nodeId: string };
  NODE_IN_USE: { nodeId: string };
  SESSION_BINDING_MISMATCH: { boundSessionId: string; attemptedSessionId: string };
  SESSION_DELETED: { sessionId: string };
  OPERATION_CONFLICT: { operationId: string };
  HEAD_REVISION_CONFLICT: { expected: number; actual: number };
  BLOB_MISSING: { ref: string; component?: string; sessionId?: string };
  USAGE_OVERFLOW: { source: string; model: string; counter: string };
  UNSUPPORTED_READ_SCOPE: { scope: unknown };
  REVISION_UNKNOWN: { asked: number; newest: number };
  HISTORY_GONE: { asked: number; oldest: number };
  PARTIAL_GRAPH: { sessionId: string };
  STORE_LOCKED: { owner: { pid: number | undefined; host: string | undefined } };
  NOT_A_STORE: { path: string };
  FORMAT_UNSUPPORTED: { found: number; supported: number };
  UNSAFE_FILE_SYSTEM: { path: string; fileSystem: string };
  STORE_CLOSED: Record<never, never>;
  STORE_POISONED: Record<never, never>;
  STORE_FULL: { neededBytes: number };
  STORE_BUSY: { queuedBytes: number };
  STORE_IO: { operation: string; path: string; errno: string };
  COMMIT_OUTCOME_UNKNOWN: { sessionId?: string };
  CORRUPT: { file: string; offset?: number; sessionId?: string };
  VIEW_EXPIRED: { file: string };
  READ_ONLY: { operation: string };
  ABORTED: Record<never, never>;
  INTERNAL: Record<never, never>;
}

export type StoreErrorCode = keyof StoreErrorFields;

/** The table of codes: what to do, and what it means. `docs/errors.md` is checked against it. */
export const STORE_ERRORS: { readonly [Code in StoreErrorCode]: { retry: Retry; meaning: string } } = {
  INVALID_ARGUMENT: { retry: "never", meaning: "An argument is of the wrong type or out of bounds." },
  INVALID_OPTION: {
    retry: "never",
    meaning: "An option of the store is of the wrong type or out of bounds.",
  },
  INVALID_COMMIT: {
    retry: "never",
    meaning: "A commit has a wrong shape, a value that cannot be stored, or exceeds a limit.",
  },
  INVALID_GRAPH: {
    retry: "never",
    meaning: "The graph would have a cycle, a dangling parent or a dangling leaf.",
  },
  NODE_ID_COLLISION: {
    retry: "never",
    meaning: "A node id of the delta exists already, or twice in the delta.",
  },
  NODE_IN_USE: {
    retry: "reload",
    meaning: "A node to hide lies on the active path or has a live child that stays.",
  },
  SESSION_BINDING_MISMATCH: {
    retry: "never",
    meaning: "The value names another session than the handle is bound to.",
  },
  SESSION_DELETED: { retry: "never", meaning: "The session was deleted; its id is never used again." },
  OPERATION_CONFLICT: { retry: "never", meaning: "The operation id was used before with other content." },
  HEAD_REVISION_CONFLICT: { retry: "reload", meaning: "The head moved since it was read." },
  BLOB_MISSING: {
    retry: "reload",
    meaning: "A referenced blob does not exist (never stored, or collected by gc).",
  },
  USAGE_OVERFLOW: { retry: "never", meaning: "A usage counter would exceed 2^53 - 1." },
  UNSUPPORTED_READ_SCOPE: { retry: "never", meaning: "The read scope is not one this store knows." },
  REVISION_UNKNOWN: {
    retry: "reload",
    meaning: "The session was never at the revision that a copy is said to be of; load it in full.",
  },
  HISTORY_GONE: {
    retry: "reload",
    meaning: "What was removed since the copy's revision is not known any more; load it in full.",
  },
  PARTIAL_GRAPH: { retry: "never", meaning: "A state loaded by active path cannot replace the full graph." },
  STORE_LOCKED: { retry: "same", meaning: "Another owner has the store open." },
  NOT_A_STORE: {
    retry: "never",
    meaning: "The directory holds files that are not a Varve store, or is no directory.",
  },
  FORMAT_UNSUPPORTED: { retry: "never", meaning: "The store was written by a newer version of the format." },
  UNSAFE_FILE_SYSTEM: {
    retry: "never",
    meaning: "The directory is on a network file system; locks and syncs cannot be trusted there.",
  },
  STORE_CLOSED: { retry: "reopen", meaning: "The store was closed." },
  STORE_POISONED: {
    retry: "reopen",
    meaning: "A write or sync failed earlier; nothing is accepted until the store is reopened.",
  },
  STORE_FULL: {
    retry: "same",
    meaning: "The disk has no room for what is queued; nothing was written. Reads go on.",
  },
  STORE_BUSY: {
    retry: "same",
    meaning:
      "The queue is full, or a snapshot at work is slower than the commits, or a gc was given up; nothing was written.",
  },
  STORE_IO: { retry: "reopen", meaning: "The file system refused an operation." },
  COMMIT_OUTCOME_UNKNOWN: {
    retry: "reopen",
    meaning: "The log failed while this write was in flight: it may or may not be there.",
  },
  CORRUPT: { retry: "never", meaning: "Stored bytes are damaged, named by file and offset." },
  VIEW_EXPIRED: { retry: "reopen", meaning: "The owner removed what this read-only view needs." },
  READ_ONLY: { retry: "never", meaning: "A write was called on a read-only store." },
  ABORTED: {
    retry: "never",
    meaning:
      "The caller's signal stopped the call. A commit had no effect then; of a gc, slices that it had published stay.",
  },
  INTERNAL: { retry: "never", meaning: "A bug in Varve; the message says where." },
};

const BRAND = "varve.StoreError";

/** An error with a stable `code`. Create it with `storeError`, recognise it with `isStoreError`. */
class StoreErrorBase extends Error {
  readonly code: StoreErrorCode;
  readonly retry: Retry;
  readonly brand = BRAND;
  constructor(code: StoreErrorCode, message: string, fields: object, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StoreError";
    this.code = code;
    this.retry = STORE_ERRORS[code].retry;
    Object.assign(this, fields);
  }
}

/** The union of all store errors, discriminated by `code`; each member has that code's fields. */
export type StoreError = {
  [Code in StoreErrorCode]: Error & { readonly code: Code; readonly retry: Retry } & Readonly<
      StoreErrorFields[Code]
    >;
}[StoreErrorCode];
export type StoreErrorOf<Code extends StoreErrorCode> = Extract<StoreError, { readonly code: Code }>;

/** Makes a store error. `message` says what is wrong and how to mend it. */
export function storeError<Code extends StoreErrorCode>(
  code: Code,
  fields: StoreErrorFields[Code],
  message: string,
  cause?: unknown,
): StoreErrorOf<Code> {
  // The base assigns exactly the fields of this code; TypeScript cannot follow Object.assign.
  return new StoreErrorBase(code, message, fields, cause) as unknown as StoreErrorOf<Code>;
}

/** True for any store error (of that code, if given), also from another thread or copy of the package. */
export function isStoreError(value: unknown): value is StoreError;
export function isStoreError<Code extends StoreErrorCode>(
  value: unknown,
  code: Code,
): value is StoreErrorOf<Code>;
export function isStoreError(value: unknown, code?: StoreErrorCode): boolean {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as { brand?: unknown; code?: unknown };
  if (candidate.brand !== BRAND || typeof candidate.code !== "string") return false;
  return code === undefined || candidate.code === code;
}

/** A store error as plain data, for crossing threads (structured clone drops class, code and fields). */
export interface ErrorData {
  readonly code: StoreErrorCode;
  readonly message: string;
  readonly fields: object;
  readonly stack?: string;
}

/** Any thrown value as data; what is not a store error becomes INTERNAL. */
export function errorToData(error: unknown): ErrorData {
  if (isStoreError(error)) {
    const {
      name: _name,
      code,
      retry: _retry,
      brand: _brand,
      message: _m,
      stack,
      cause: _c,
      ...fields
    } = error as StoreError & {
      brand?: string;
    };
    return { code, message: error.message, fields, ...(stack === undefined ? {} : { stack }) };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: "INTERNAL", message, fields: {}, ...(stack === undefined ? {} : { stack }) };
}

export function errorFromData(data: ErrorData): StoreError {
  const error = new StoreErrorBase(data.code, data.message, data.fields);
  if (data.stack !== undefined) error.stack = data.stack;
  return error as unknown as StoreError;
}

/** Any thrown value as a store error; what is not one becomes INTERNAL with the value as cause. */
export function toStoreError(error: unknown): StoreError {
  if (isStoreError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return storeError("INTERNAL", {}, `unexpected failure inside Varve: ${message}`, error);
}
