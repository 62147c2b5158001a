/** Small files of each kind, and readers that say all they hold. For tests of one file at a time. */
import type { Lsn } from "../../src/ids.ts";
import { encodeHead, type StoredHead } from "../../src/snapshot/head.ts";
import { compareIds, HeadsFileReader, type ListKey } from "../../src/snapshot/heads-file.ts";
import { HeadsFileWriter } from "../../src/snapshot/heads-file-writer.ts";
import {
  type BlobCompression,
  compressValue,
  type PackKind,
  PackReader,
  PackWriter,
} from "../../src/snapshot/pack.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { STORE_ID, value } from "./fixture.ts";

export function storedHead(
  sessionId: string,
  lastCommitLsn: Lsn,
  fields: Partial<StoredHead> = {},
): StoredHead {
  return {
    sessionId,
    deleted: false,
    head: undefined,
    meta: { sessionId, sessionName: `name of ${sessionId}`, createdAt: "then", model: "m" },
    picker: { firstUserMessage: "", userMessageCount: 0 },
    ledger: [],
    lastCommitLsn,
    lastLsn: lastCommitLsn + 1,
    hiddenCount: 0,
    nodes: [],
    receipts: [],
    removals: [],
    oldestCopy: 0,
    outline: undefined,
    index: undefined,
    ...fields,
  };
}

/** Answers the file's size. */
export function writeHeads(vfs: Vfs, path: string, number: number, heads: readonly StoredHead[]): number {
  const writer = new HeadsFileWriter(vfs, path, { storeId: STORE_ID, number });
  for (const head of [...heads].sort((a, b) => compareIds(a.sessionId, b.sessionId))) {
    const { sessionId, lastCommitLsn } = head;
    writer.add({ sessionId, lastCommitLsn, bytes: encodeHead(head) });
  }
  return writer.finish();
}

export function withHeads<Value>(
  vfs: Vfs,
  place: { readonly path: string; readonly number: number; readonly size: number },
  read: (file: HeadsFileReader) => Value,
): Value {
  const file = new HeadsFileReader(vfs, place.path, { storeId: STORE_ID, number: place.number }, place.size);
  try {
    return read(file);
  } finally {
    file.close();
  }
}

/** Everything that a heads file says, about these ids and as a whole. */
export function sayHeads(file: HeadsFileReader, ids: readonly string[]): object {
  const list: ListKey[] = [...file.list(undefined)];
  return {
    count: file.count,
    byId: ids.map((id) => file.get(id)),
    scan: [...file.scan()].map(({ sessionId, bytes }) => [sessionId, Buffer.from(bytes).toString("hex")]),
    list,
  };
}

export interface PackValue {
  readonly kind: PackKind;
  readonly content: unknown;
}

/** Answers the file's size. */
export function writePack(
  vfs: Vfs,
  path: string,
  number: number,
  values: readonly PackValue[],
  compression: BlobCompression = "none",
): number {
  const writer = new PackWriter(vfs, path, { storeId: STORE_ID, number });
  const sorted = values
    .map(({ kind, content }) => ({ kind, ...value(content) }))
    .sort((a, b) => Buffer.compare(a.digest, b.digest));
  for (const { digest, kind, bytes } of sorted) writer.add(compressValue(digest, kind, bytes, compression));
  return writer.finish();
}

export function withPack<Value>(
  vfs: Vfs,
  place: { readonly path: string; readonly number: number; readonly size: number },
  read: (pack: PackReader) => Value,
): Value {
  const pack = new PackReader(vfs, place.path, { storeId: STORE_ID, number: place.number }, place.size);
  try {
    return read(pack);
  } finally {
    pack.close();
  }
}

/** Everything that a pack says, about these digests and as a whole. */
export function sayPack(pack: PackReader, digests: readonly Uint8Array[]): object {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return {
    count: pack.count,
    byDigest: digests.map((digest) => {
      const entry = pack.find(digest);
      return entry && [entry.kind, entry.rawLength, entry.index, hex(pack.read(entry))];
    }),
    entries: [...pack.entries()].map(({ digest, kind, rawLength, index }) => [
      hex(digest),
      kind,
      rawLength,
      index,
    ]),
  };
}
