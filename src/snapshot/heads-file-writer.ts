/** Writes a heads file of `heads-file.ts`: its blocks as the heads come, filter, list and footer at the end. */
import { HEADS_BLOCK_BYTES } from "../limits.ts";
import { MsgpackWriter } from "../msgpack-writer.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { FileIdentity } from "./block-file.ts";
import { BlockFileWriter } from "./block-file-writer.ts";
import { Filter } from "./filter.ts";
import { compareListKeys, type HeadBytes, type ListKey } from "./heads-file.ts";

/** Of blocks; what it answers is copied at once. */
const writer = new MsgpackWriter("reused");

export class HeadsFileWriter {
  readonly #file: BlockFileWriter;
  readonly #firstIds: string[] = [];
  readonly #places: number[] = [];
  readonly #keys: ListKey[] = [];
  #block: HeadBytes[] = [];
  #blockBytes = 0;

  constructor(vfs: Vfs, path: string, identity: Omit<FileIdentity, "kind">) {
    this.#file = new BlockFileWriter(vfs, path, { ...identity, kind: "heads" });
  }

  get count(): number {
    return this.#keys.length;
  }

  /** Heads must come in the order of `compareIds`, each id once. Their bytes must stay as they are until `finish`. */
  add(head: HeadBytes): void {
    const { sessionId, lastCommitLsn, bytes } = head;
    if (this.#block.length === 0) this.#firstIds.push(sessionId);
    this.#block.push(head);
    this.#blockBytes += sessionId.length + bytes.length;
    this.#keys.push({ lastCommitLsn, sessionId });
    if (this.#blockBytes >= HEADS_BLOCK_BYTES) this.#endBlock();
  }

  /** Answers the size of the file. */
  finish(): number {
    this.#endBlock();
    const filter = Filter.forKeys(this.#keys.length);
    for (const { sessionId } of this.#keys) filter.add(Buffer.from(sessionId));
    const list = this.#writeList();
    const footer = [
      this.#keys.length,
      this.#firstIds,
      this.#places,
      filter.bytes,
      list.firstLsns,
      list.firstIds,
      list.places,
    ];
    return this.#file.finish(footer);
  }

  abort(): void {
    this.#file.abort();
  }

  #endBlock(): void {
    if (this.#block.length === 0) return;
    writer.begin();
    writer.array(3 * this.#block.length);
    for (const { sessionId, lastCommitLsn, bytes } of this.#block) {
      writer.text(sessionId);
      writer.integer(lastCommitLsn);
      writer.binary(bytes);
    }
    const { offset, length } = this.#file.append(writer.end());
    this.#places.push(offset, length);
    this.#block = [];
    this.#blockBytes = 0;
  }

  #writeList() {
    const firstLsns: number[] = [];
    const firstIds: string[] = [];
    const places: number[] = [];
    this.#keys.sort(compareListKeys);
    let block: ListKey[] = [];
    let bytes = 0;
    const end = (): void => {
      writer.begin();
      writer.array(2 * block.length);
      for (const { lastCommitLsn, sessionId } of block) {
        writer.integer(lastCommitLsn);
        writer.text(sessionId);
      }
      const { offset, length } = this.#file.append(writer.end());
      places.push(offset, length);
      block = [];
      bytes = 0;
    };
    for (const key of this.#keys) {
      const { lastCommitLsn, sessionId } = key;
      if (block.length === 0) {
        firstLsns.push(lastCommitLsn);
        firstIds.push(sessionId);
      }
      block.push(key);
      bytes += sessionId.length + 8;
      if (bytes >= HEADS_BLOCK_BYTES) end();
    }
    if (block.length > 0) end();
    return { firstLsns, firstIds, places };
  }
}
