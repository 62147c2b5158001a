/**
 * Bytes of the two records that are written all the time, commits and blobs: the msgpack arrays of
 * docs/format.md, written field by field without making the arrays first. The other kinds, and all reading, are
 * in `record.ts`; a test compares both ways of writing.
 */
import { packTransient } from "../codec.ts";
import type { BlobRef } from "../ids.ts";
import type { MsgpackWriter } from "../msgpack-writer.ts";
import { BLOB_KINDS, type BlobRecord, type CommitRecord, type GraphFact, type NodeFact } from "./record.ts";
import type { PersistedSessionConfig, TokenLedgerEntry } from "./types.ts";

/** First items of a record's array. */
export const RecordTag = { blob: 1, commit: 2, meta: 3, tombstone: 4, vacuum: 5, delete: 6 } as const;
/** Layout version of a commit record; a newer one is refused, not guessed. In layout 1 a picker always had its text. */
const COMMIT_LAYOUT = 2;
const OLDEST_COMMIT_LAYOUT = 1;
/** First item of a graph fact; an unchanged graph is nil. */
export const GraphTag = { append: 0, replace: 1 } as const;

export function isCommitLayout(value: unknown): boolean {
  return value === COMMIT_LAYOUT || value === OLDEST_COMMIT_LAYOUT;
}

export function writeBlob(to: MsgpackWriter, record: BlobRecord): void {
  to.array(6);
  to.integer(RecordTag.blob);
  to.hexBinary(record.ref);
  to.integer(BLOB_KINDS.indexOf(record.blobKind));
  to.integer(record.size);
  to.integer(record.at);
  to.binary(record.data);
}

export function writeCommit(to: MsgpackWriter, record: CommitRecord): void {
  to.array(15);
  to.integer(RecordTag.commit);
  to.text(record.sessionId);
  to.integer(COMMIT_LAYOUT);
  to.integer(record.revision);
  writeConfig(to, record.config);
  writeOptional(to, record.leafNodeId);
  to.hexBinary(record.checkpointRef);
  to.binary(record.manifest);
  writeRef(to, record.toolStateRef);
  writeRef(to, record.pluginSnapshotRef);
  writeRef(to, record.executionStateRef);
  writeGraph(to, record.graph);
  to.array(record.usage.length);
  for (const entry of record.usage) writeUsage(to, entry);
  if (record.picker === undefined) {
    to.nil();
  } else {
    to.array(2);
    writeOptional(to, record.picker.firstUserMessage);
    to.integer(record.picker.userMessageCount);
  }
  if (record.operation === undefined) {
    to.nil();
  } else {
    to.array(2);
    to.text(record.operation.id);
    to.binary(record.operation.digest);
  }
}

export function writeConfig(to: MsgpackWriter, config: PersistedSessionConfig): void {
  to.array(6);
  writeText(to, config.providerId);
  writeText(to, config.configuredModel);
  to.integer(config.contextWindow);
  writeText(to, config.executionMode);
  if (config.standardContextApproach === undefined) to.nil();
  else to.encoded(packTransient(config.standardContextApproach));
  writeOptional(to, config.modelVariant);
}

function writeGraph(to: MsgpackWriter, graph: GraphFact): void {
  if (graph.kind === "unchanged") return to.nil();
  if (graph.kind === "append") {
    to.array(1 + graph.nodes.length);
    to.integer(GraphTag.append);
    for (const node of graph.nodes) writeNode(to, node);
    return;
  }
  to.array(1 + graph.steps.length);
  to.integer(GraphTag.replace);
  for (const step of graph.steps) {
    if (step.kind === "node") {
      writeNode(to, step.node);
      continue;
    }
    to.array(2);
    to.integer(step.start);
    to.integer(step.count);
  }
}

function writeNode(to: MsgpackWriter, node: NodeFact): void {
  to.array(4);
  to.text(node.id);
  writeOptional(to, node.parent);
  to.integer(node.flags);
  to.binary(node.body);
}

export function writeUsage(to: MsgpackWriter, { source, model, usage }: TokenLedgerEntry): void {
  to.array(6);
  writeText(to, source);
  writeText(to, model);
  to.integer(usage.inputTokens);
  to.integer(usage.outputTokens);
  to.integer(usage.cachedInputTokens);
  to.integer(usage.reasoningTokens);
}

/** A text with lone surrogates, which msgpack cannot carry, travels as its UTF-16 code units. */
export function writeText(to: MsgpackWriter, text: string): void {
  if (text.isWellFormed()) to.text(text);
  else to.binary(Buffer.from(text, "utf16le"));
}

export function writeOptional(to: MsgpackWriter, text: string | undefined): void {
  if (text === undefined) to.nil();
  else writeText(to, text);
}

export function writeRef(to: MsgpackWriter, ref: BlobRef | undefined): void {
  if (ref === undefined) to.nil();
  else to.hexBinary(ref);
}
