/**
 * Enters a page of nodes into a table. The page's own bytes become the memory of its bodies, and no item is made an
 * array or an object on the way: a session of thousands of nodes is loaded by here, on the thread of its host.
 * `entryFromItem` is the same for whoever needs single nodes.
 */
import { MsgpackReader } from "../msgpack-reader.ts";
import type { PlacedNode } from "../session/node-entry.ts";
import type { NodeTable } from "../session/node-table.ts";
import { asNumber, asText } from "../session/record.ts";
import { flagsFromItem } from "./head.ts";
import { checkLeaf, type PageRef } from "./pages.ts";

/** The bytes are the table's from now on. Throws a plain Error on anything that is no such page. */
export function addLeaf(page: PageRef, bytes: Uint8Array, nodes: NodeTable): void {
  const from = new MsgpackReader(bytes);
  if (from.array() !== 2) throw new Error(`page ${page.ref} is no pair`);
  const level = from.value();
  const items = from.array();
  checkLeaf(page, level, items);
  const chunk = nodes.keepWhole(bytes);
  let { last } = nodes;
  for (let i = 0; i < items; i++) {
    const node = readNode(from, last?.id);
    const before = last?.revision ?? 0;
    if (node.revision < before)
      throw new Error(`node "${node.id}" is of revision ${node.revision}, behind one of ${before}`);
    nodes.addIn(chunk, node);
    ({ last } = nodes);
  }
  from.finish();
}

/** `lastId`, which is the parent of most, need not be made once more. */
function readNode(from: MsgpackReader, lastId: string | undefined): PlacedNode {
  const fields = from.array();
  if (fields !== 4 && fields !== 5) throw new Error(`a node has ${fields} fields`);
  const id = asText(from.value(), "node id");
  const parent = lastId !== undefined && from.skipText(lastId) ? lastId : optionalText(from.value());
  const { flags, hiddenAt } = flagsFromItem(asNumber(from.value(), "flags"));
  const bodyBytes = from.skipBytes();
  const bodyAt = from.at - bodyBytes;
  // Stored before revisions were, it has none.
  const revision = fields === 5 ? asNumber(from.value(), "revision of a node") : 0;
  return { id, parent, flags, hiddenAt, bodyAt, bodyBytes, revision };
}

function optionalText(value: unknown): string | undefined {
  return value === null ? undefined : asText(value, "parent");
}
