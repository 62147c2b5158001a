/**
 * Whose files these are: the UUID in `format`, or, where that cannot be read, the one that most files whose
 * headers verify agree on. For looking and salvage only; a store is never opened by a vote.
 */
import { readStoreId } from "../actors/directory.ts";
import { isStoreError, type StoreError, storeError, toStoreError } from "../errors.ts";
import { fileIdentityIn } from "../snapshot/block-file.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { decodeHeader, SEGMENT_HEADER_BYTES } from "../wal/segment.ts";
import { listStoreFiles, type StoreFile } from "./store-files.ts";

export interface StoreIdentity {
  readonly storeId: Uint8Array;
  /** What is wrong with `format`. */
  readonly problem: StoreError | undefined;
}

/** Throws FORMAT_UNSUPPORTED, NOT_A_STORE, or what is wrong with `format` when no other file knows. */
export function identifyStore(vfs: Vfs, root: string): StoreIdentity {
  const files = listStoreFiles(vfs, root);
  try {
    return { storeId: readStoreId(vfs, root), problem: undefined };
  } catch (error) {
    if (isStoreError(error, "FORMAT_UNSUPPORTED")) throw error;
    const storeId = mostNamed(files.flatMap((file) => idIn(vfs, file)));
    const problem = isStoreError(error, "NOT_A_STORE")
      ? storeError("CORRUPT", { file: `${root}/format` }, `${root}/format is missing`)
      : toStoreError(error);
    if (storeId === undefined) throw problem;
    return { storeId, problem };
  }
}

function idIn(vfs: Vfs, { path, kind }: StoreFile): Uint8Array[] {
  if (kind !== "segment" && kind !== "heads" && kind !== "pack") return [];
  try {
    const file = vfs.open(path, "read");
    try {
      const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
      const front = bytes.subarray(0, file.read(bytes, 0));
      if (kind !== "segment") return [fileIdentityIn(front, kind)].flatMap((found) => found?.storeId ?? []);
      const decoded = decodeHeader(front);
      return decoded.kind === "header" ? [decoded.header.storeId] : [];
    } finally {
      file.close();
    }
  } catch {
    // A file that cannot be read has no vote.
    return [];
  }
}

function mostNamed(ids: readonly Uint8Array[]): Uint8Array | undefined {
  const votes = new Map<string, number>();
  for (const id of ids) {
    const hex = Buffer.from(id).toString("hex");
    votes.set(hex, (votes.get(hex) ?? 0) + 1);
  }
  const [winner] = [...votes].sort((a, b) => b[1] - a[1]);
  return winner === undefined ? undefined : Buffer.from(winner[0], "hex");
}
