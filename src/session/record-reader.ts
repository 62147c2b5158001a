/**
 * Reads the record that is written all the time, a commit, field by field without making the arrays of
 * docs/format.md first. The other kinds are in `record.ts`; a test compares with what was written.
 */
import type { BlobRef } from "../ids.ts";
import type { MsgpackReader } from "../msgpack-reader.ts";
import {
  asArray,
  asBytes,
  asNumber,
  asText,
  type CommitRecord,
  configFromWire,
  type GraphFact,
  type NodeFact,
  type ReplaceStep,
  usageFromWire,
} from "./record.ts";
import { GraphTag, isCommitLayout } from "./record-writer.ts";
import type { PickerChange } from "./state.ts";

/** How a node's body and the checkpoint manifest are answered: as bytes of their own, or where they lie. */
export type TakenBytes = "copies" | "views";

const COMMIT_ITEMS = 15;

/** What stands behind the tag of a commit record. Throws a plain Error on anything that no writer writes. */
export function readCommit(from: MsgpackReader, items: number, bytes: TakenBytes): CommitRecord {
  const sessionId = from.value();
  const layout = from.value();
  if (!isCommitLayout(layout)) throw new Error(`unknown commit layout ${String(layout)}`);
  if (items !== COMMIT_ITEMS) throw new Error(`a commit has ${items} items`);
  // Properties are made in the order of the bytes.
  return {
    kind: "commit",
    sessionId: asText(sessionId, "session"),
    revision: asNumber(from.value(), "revision"),
    config: configFromWire(from.value()),
    leafNodeId: readOptionalText(from, "leaf"),
    checkpointRef: readRef(from, "checkpoint"),
    manifest: readBytes(from, bytes, "manifest"),
    toolStateRef: readOptionalRef(from),
    pluginSnapshotRef: readOptionalRef(from),
    executionStateRef: readOptionalRef(from),
    graph: readGraph(from, bytes),
    usage: asArray(from.value(), "usage").map(usageFromWire),
    picker: from.nil() ? undefined : readPicker(from),
    operation: from.nil() ? undefined : readOperation(from),
  };
}

export function readRef(from: MsgpackReader, what: string): BlobRef {
  return from.hex(what) as BlobRef;
}

export function readOptionalRef(from: MsgpackReader): BlobRef | undefined {
  return from.nil() ? undefined : readRef(from, "ref");
}

export function readOptionalText(from: MsgpackReader, what: string): string | undefined {
  return from.nil() ? undefined : asText(from.value(), what);
}

/** Passes over the header of an array of so many items. */
export function expectItems(from: MsgpackReader, items: number, what: string): void {
  const found = from.array(what);
  if (found !== items) throw new Error(`${what} has ${found} items`);
}

function readBytes(from: MsgpackReader, bytes: TakenBytes, what: string): Uint8Array {
  return bytes === "views" ? from.view(what) : asBytes(from.value(), what);
}

function readGraph(from: MsgpackReader, bytes: TakenBytes): GraphFact {
  if (from.nil()) return { kind: "unchanged" };
  const items = from.array("graph") - 1;
  const tag = from.value();
  if (tag === GraphTag.append) {
    const nodes: NodeFact[] = [];
    for (let i = 0; i < items; i++) {
      expectItems(from, 4, "node");
      nodes.push(readNode(from, bytes));
    }
    return { kind: "append", nodes };
  }
  if (tag !== GraphTag.replace) throw new Error(`unknown graph fact ${String(tag)}`);
  const steps: ReplaceStep[] = [];
  for (let i = 0; i < items; i++) steps.push(readStep(from, bytes));
  return { kind: "replace", steps };
}

function readStep(from: MsgpackReader, bytes: TakenBytes): ReplaceStep {
  const items = from.array("step");
  if (items === 4) return { kind: "node", node: readNode(from, bytes) };
  if (items !== 2) throw new Error(`step has ${items} items`);
  return { kind: "keep", start: asNumber(from.value(), "start"), count: asNumber(from.value(), "count") };
}

function readNode(from: MsgpackReader, bytes: TakenBytes): NodeFact {
  return {
    id: asText(from.value(), "node id"),
    parent: readOptionalText(from, "parent"),
    flags: asNumber(from.value(), "flags"),
    body: readBytes(from, bytes, "body"),
  };
}

function readPicker(from: MsgpackReader): PickerChange {
  expectItems(from, 2, "picker");
  return {
    firstUserMessage: readOptionalText(from, "first message"),
    userMessageCount: asNumber(from.value(), "count"),
  };
}

function readOperation(from: MsgpackReader): CommitRecord["operation"] {
  expectItems(from, 2, "operation");
  return { id: asText(from.value(), "operation id"), digest: asBytes(from.value(), "operation digest") };
}
