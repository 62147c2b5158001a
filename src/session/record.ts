/**
 * The typed facts that travel in the log, and their bytes. A record says what was decided, not what was
 * asked: applying it needs no look-up, no clock and no randomness. Blobs come before the commit naming them.
 *
 * Bytes: one msgpack array, `[kind, sessionId | digest, …]`; see docs/format.md. Payload bytes of nodes and
 * values are carried as msgpack binaries, so that a reader that only routes records decodes no payload.
 */
import { packTransient, unpack } from "../codec.ts";
import { type BlobRef, refFromBytes } from "../ids.ts";
import { MsgpackReader } from "../msgpack-reader.ts";
import { MsgpackWriter } from "../msgpack-writer.ts";
import { readCommit, type TakenBytes } from "./record-reader.ts";
import { RecordTag, writeBlob, writeCommit } from "./record-writer.ts";
import { newPicker, type PickerChange, type PickerState } from "./state.ts";
import type { PersistedSessionConfig, SessionMeta, TokenLedgerEntry, TokenUsage } from "./types.ts";

export const BLOB_KINDS = ["manifest", "toolState", "pluginSnapshot", "executionState"] as const;
export type BlobKind = (typeof BLOB_KINDS)[number];

/** A node as a commit brings it. */
export interface NodeFact {
  readonly id: string;
  readonly parent: string | undefined;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** One step of a replacement: keep a run of entries of the old table (tombstones count), or a new node. */
export type ReplaceStep =
  | { readonly kind: "keep"; readonly start: number; readonly count: number }
  | { readonly kind: "node"; readonly node: NodeFact };

export type GraphFact =
  | { readonly kind: "unchanged" }
  | { readonly kind: "append"; readonly nodes: readonly NodeFact[] }
  /** Kept entries that were tombstoned are live again. */
  | { readonly kind: "replace"; readonly steps: readonly ReplaceStep[] };

export interface BlobRecord {
  readonly kind: "blob";
  readonly ref: BlobRef;
  readonly blobKind: BlobKind;
  /** Bytes of the whole value; larger than `data` when it travels in several parts. */
  readonly size: number;
  /** Position of `data` in the value, bytes. Parts follow each other in order. */
  readonly at: number;
  readonly data: Uint8Array;
}
export interface CommitRecord {
  readonly kind: "commit";
  readonly sessionId: string;
  readonly revision: number;
  readonly config: PersistedSessionConfig;
  readonly leafNodeId: string | undefined;
  readonly checkpointRef: BlobRef;
  /** Canonical encoding of the checkpoint manifest: a blob that travels inside its commit. */
  readonly manifest: Uint8Array;
  readonly toolStateRef: BlobRef | undefined;
  readonly pluginSnapshotRef: BlobRef | undefined;
  readonly executionStateRef: BlobRef | undefined;
  readonly graph: GraphFact;
  /** Deltas, all-zero ones left out. */
  readonly usage: readonly TokenLedgerEntry[];
  /** The picker info after this commit, if it changed. */
  readonly picker: PickerChange | undefined;
  readonly operation: { readonly id: string; readonly digest: Uint8Array } | undefined;
}
export interface MetaRecord {
  readonly kind: "meta";
  readonly sessionId: string;
  readonly meta: SessionMeta;
}
export interface TombstoneRecord {
  readonly kind: "tombstone";
  readonly sessionId: string;
  /** Ids that were live; at least one. */
  readonly nodeIds: readonly string[];
  readonly picker: PickerState | undefined;
}
/** Removes every tombstoned node. */
export interface VacuumRecord {
  readonly kind: "vacuum";
  readonly sessionId: string;
}
export interface DeleteRecord {
  readonly kind: "delete";
  readonly sessionId: string;
}
export type SessionRecord = CommitRecord | MetaRecord | TombstoneRecord | VacuumRecord | DeleteRecord;
export type LogRecord = BlobRecord | SessionRecord;

const writer = new MsgpackWriter("reused");

/** The bytes of a record as a copy of their own. */
export function encodeRecord(record: LogRecord): Uint8Array {
  return Buffer.from(encodeRecordTransient(record));
}

/** As `encodeRecord` without the copy: valid only until the next encoding. The log copies it into its ring. */
export function encodeRecordTransient(record: LogRecord): Uint8Array {
  if (record.kind !== "blob" && record.kind !== "commit") return packTransient(toWire(record));
  writer.begin();
  if (record.kind === "blob") writeBlob(writer, record);
  else writeCommit(writer, record);
  return writer.end();
}

function toWire(record: Exclude<LogRecord, BlobRecord | CommitRecord>): unknown[] {
  switch (record.kind) {
    case "meta":
      return [RecordTag.meta, record.sessionId, metaToWire(record.meta)];
    case "tombstone":
      return [RecordTag.tombstone, record.sessionId, record.nodeIds, pickerToWire(record.picker)];
    case "vacuum":
      return [RecordTag.vacuum, record.sessionId];
    case "delete":
      return [RecordTag.delete, record.sessionId];
  }
}

/**
 * Decodes a record whose frame was verified. Throws a plain Error naming what is wrong; callers say where. Bytes of a
 * commit are copies, or views of what is decoded.
 */
export function decodeRecord(bytes: Uint8Array, taken: TakenBytes = "copies"): LogRecord {
  const from = new MsgpackReader(bytes);
  const items = from.array();
  if (from.value() === RecordTag.commit) {
    const commit = readCommit(from, items, taken);
    from.finish();
    return commit;
  }
  const wire = asArray(unpack(bytes), "record");
  switch (wire[0]) {
    case RecordTag.blob:
      return {
        kind: "blob",
        ref: refFromBytes(asBytes(wire[1], "digest")),
        blobKind: blobKindAt(wire[2]),
        size: asNumber(wire[3], "size"),
        at: asNumber(wire[4], "at"),
        data: asBytes(wire[5], "data"),
      };
    case RecordTag.meta:
      return {
        kind: "meta",
        sessionId: asText(wire[1], "session"),
        meta: metaFromWire(asText(wire[1], "session"), wire[2]),
      };
    case RecordTag.tombstone:
      return {
        kind: "tombstone",
        sessionId: asText(wire[1], "session"),
        nodeIds: asArray(wire[2], "ids").map((id) => asText(id, "id")),
        picker: pickerFromWire(wire[3]),
      };
    case RecordTag.vacuum:
      return { kind: "vacuum", sessionId: asText(wire[1], "session") };
    case RecordTag.delete:
      return { kind: "delete", sessionId: asText(wire[1], "session") };
    default:
      throw new Error(`unknown record kind ${String(wire[0])}`);
  }
}

// --- parts shared with heads --------------------------------------------------------------------------

export function configToWire(config: PersistedSessionConfig): unknown[] {
  return [
    textToWire(config.providerId),
    textToWire(config.configuredModel),
    config.contextWindow,
    textToWire(config.executionMode),
    config.standardContextApproach ?? null,
    optionalTextToWire(config.modelVariant),
  ];
}
export function configFromWire(value: unknown): PersistedSessionConfig {
  const wire = asArray(value, "config");
  const config: PersistedSessionConfig = {
    providerId: asText(wire[0], "provider"),
    configuredModel: asText(wire[1], "model"),
    contextWindow: asNumber(wire[2], "window"),
    executionMode: asText(wire[3], "mode"),
  };
  // The approach was checked when it was accepted; it is carried as a plain map.
  if (wire[4] !== null)
    config.standardContextApproach = wire[4] as NonNullable<
      PersistedSessionConfig["standardContextApproach"]
    >;
  if (wire[5] !== null) config.modelVariant = asText(wire[5], "variant");
  return config;
}

export function usageToWire(entry: TokenLedgerEntry): unknown[] {
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = entry.usage;
  return [
    textToWire(entry.source),
    textToWire(entry.model),
    inputTokens,
    outputTokens,
    cachedInputTokens,
    reasoningTokens,
  ];
}
export function usageFromWire(value: unknown): TokenLedgerEntry {
  const wire = asArray(value, "usage");
  const usage: TokenUsage = {
    inputTokens: asNumber(wire[2], "input"),
    outputTokens: asNumber(wire[3], "output"),
    cachedInputTokens: asNumber(wire[4], "cached"),
    reasoningTokens: asNumber(wire[5], "reasoning"),
  };
  return { source: asText(wire[0], "source"), model: asText(wire[1], "model"), usage };
}

function metaToWire(meta: SessionMeta): unknown[] {
  return [
    textToWire(meta.sessionName),
    textToWire(meta.createdAt),
    textToWire(meta.model),
    optionalTextToWire(meta.cwd),
    meta.parentSessionId ?? null,
  ];
}
export function metaFromWire(sessionId: string, value: unknown): SessionMeta {
  const wire = asArray(value, "meta");
  const meta: SessionMeta = {
    sessionId,
    sessionName: asText(wire[0], "name"),
    createdAt: asText(wire[1], "created"),
    model: asText(wire[2], "model"),
  };
  if (wire[3] !== null) meta.cwd = asText(wire[3], "cwd");
  if (wire[4] !== null) meta.parentSessionId = asText(wire[4], "parent");
  return meta;
}

function pickerToWire(picker: PickerState | undefined): unknown {
  return picker === undefined ? null : [textToWire(picker.firstUserMessage), picker.userMessageCount];
}
export function pickerFromWire(value: unknown): PickerState | undefined {
  if (value === null) return undefined;
  const wire = asArray(value, "picker");
  return newPicker(asText(wire[0], "first message"), asNumber(wire[1], "count"));
}
export function nodeFromWire(value: unknown): NodeFact {
  const wire = asArray(value, "node");
  return {
    id: asText(wire[0], "node id"),
    parent: optionalText(wire[1], "parent"),
    flags: asNumber(wire[2], "flags"),
    body: asBytes(wire[3], "body"),
  };
}

function blobKindAt(index: unknown): BlobKind {
  const kind = typeof index === "number" ? BLOB_KINDS[index] : undefined;
  if (kind === undefined) throw new Error(`unknown blob kind ${String(index)}`);
  return kind;
}

export function asArray(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is not an array`);
  return value;
}
/** A text with lone surrogates, which msgpack cannot carry, travels as its UTF-16 code units. */
function textToWire(text: string): string | Uint8Array {
  return text.isWellFormed() ? text : Buffer.from(text, "utf16le");
}
function optionalTextToWire(text: string | undefined): string | Uint8Array | null {
  return text === undefined ? null : textToWire(text);
}
export function asText(value: unknown, what: string): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf16le");
  if (typeof value !== "string") throw new Error(`${what} is not a string`);
  return value;
}
export function asNumber(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value)) throw new Error(`${what} is not an integer`);
  return value as number;
}
export function asBytes(value: unknown, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error(`${what} is not bytes`);
  return value;
}
function optionalText(value: unknown, what: string): string | undefined {
  return value === null ? undefined : asText(value, what);
}
