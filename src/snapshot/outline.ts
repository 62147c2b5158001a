/**
 * The outline of a session of few nodes, in its head: of every node all but its body. A commit needs no more of a session
 * that is not in memory, so it reads the head and no page. What needs bodies reads the pages as always.
 *
 * 1. It says of the same nodes the same as their pages, in the same order, or the head has none.
 * 2. It only grows by what is put behind it: a fold that appends reads no page for it.
 */
import { copyOf } from "../codec.ts";
import { MAX_OUTLINE_BYTES } from "../limits.ts";
import { MsgpackReader } from "../msgpack-reader.ts";
import { MsgpackWriter } from "../msgpack-writer.ts";
import { NodeTable } from "../session/node-table.ts";
import { asNumber, asText } from "../session/record.ts";
import { flagsFromItem, type NodeItem, type StoredHead } from "./head.ts";
import { countItems } from "./pages.ts";

/** Of no nodes. */
export const EMPTY_OUTLINE: Uint8Array = new Uint8Array(0);

/** Of a node whose parent is the one in front of it. */
const PREVIOUS = true;

const writer = new MsgpackWriter("reused");

/** With these nodes behind it; undefined if that is more than a head should hold, or there was none. */
export function extendOutline(
  before: Uint8Array | undefined,
  items: readonly NodeItem[],
): Uint8Array | undefined {
  if (before === undefined || items.length === 0) return before;
  // A node takes four bytes at least.
  if (before.length + 4 * items.length > MAX_OUTLINE_BYTES) return undefined;
  writer.begin();
  let last: string | undefined;
  for (const [id, parent, flags, body, revision] of items) {
    writer.text(id);
    if (parent === null) writer.nil();
    else if (parent === last) writer.boolean(PREVIOUS);
    else writer.text(parent);
    writer.integer(flags);
    writer.integer(body.length);
    writer.integer(revision);
    last = id;
  }
  const added = writer.end();
  if (before.length + added.length > MAX_OUTLINE_BYTES) return undefined;
  return before.length === 0 ? copyOf(added) : Buffer.concat([before, added]);
}

/** The nodes without their bodies, if the head has an outline. Throws a plain Error if it is no such outline. */
export function outlinedNodes({ outline, nodes: forest }: StoredHead): NodeTable | undefined {
  if (outline === undefined) return undefined;
  const nodes = new NodeTable();
  addOutline(outline, countItems(forest), nodes);
  return nodes;
}

function addOutline(outline: Uint8Array, count: number, nodes: NodeTable): void {
  const from = new MsgpackReader(outline);
  let last: { readonly id: string; readonly revision: number } | undefined;
  for (let left = count; left > 0; left--) {
    const id = asText(from.value(), "node id");
    const parent = parentOf(from.value(), last?.id);
    const { flags, hiddenAt } = flagsFromItem(asNumber(from.value(), "flags"));
    const bodyBytes = asNumber(from.value(), "bytes of a body");
    const revision = asNumber(from.value(), "revision of a node");
    if (bodyBytes < 0) throw new Error(`the body of node "${id}" has ${bodyBytes} bytes`);
    if (revision < (last?.revision ?? 0))
      throw new Error(`node "${id}" of an outline is older than the one before it`);
    nodes.addShed({ id, parent, flags, hiddenAt, bodyBytes, revision });
    last = { id, revision };
  }
  from.finish();
}

function parentOf(value: unknown, last: string | undefined): string | undefined {
  if (value === null) return undefined;
  if (value !== PREVIOUS) return asText(value, "parent");
  if (last === undefined) throw new Error("the first node of an outline has no node before it");
  return last;
}
