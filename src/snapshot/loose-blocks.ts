/**
 * The blocks of a heads file or pack in the order they lie, found without footer and index: for salvage of a
 * file of which these are damaged. Every block carries its own length and checksum, so what is handed out is
 * whole; what it is, its reader must know.
 */
import { crc32 } from "../checksum.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { BLOCK_PREFIX_BYTES, FILE_HEADER_BYTES } from "./block-file.ts";

export interface LooseBlock {
  readonly offset: number;
  /** Undefined where the block fails its checksum. */
  readonly payload: Buffer | undefined;
}

/** Ends where no length can be believed any more. */
export function* looseBlocks(vfs: Vfs, path: string): Generator<LooseBlock> {
  const file = vfs.open(path, "read");
  try {
    const { size } = file.stat();
    const prefix = Buffer.alloc(BLOCK_PREFIX_BYTES);
    for (let offset = FILE_HEADER_BYTES; file.read(prefix, offset) === BLOCK_PREFIX_BYTES; ) {
      const length = prefix.readUInt32LE(0);
      const end = offset + BLOCK_PREFIX_BYTES + length;
      if (end > size) return;
      const payload = Buffer.allocUnsafeSlow(length);
      const isWhole =
        file.read(payload, offset + BLOCK_PREFIX_BYTES) === length &&
        crc32(payload, crc32(prefix.subarray(0, 4))) === prefix.readUInt32LE(4);
      yield { offset, payload: isWhole ? payload : undefined };
      offset = end;
    }
  } finally {
    file.close();
  }
}
