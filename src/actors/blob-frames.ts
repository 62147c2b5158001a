/** A new blob as the payloads of log frames: one, or several parts when it is large. */
import type { BlobRef } from "../ids.ts";
import { MAX_BLOB_FRAME_BYTES } from "../limits.ts";
import { type BlobKind, encodeRecordTransient } from "../session/record.ts";

export interface NewBlob {
  readonly ref: BlobRef;
  readonly blobKind: BlobKind;
  /** Canonical encoding of the value. */
  readonly bytes: Uint8Array;
}

/** Payloads in order, each valid until the next encoding: append it at once. A value always has at least one byte, so there is at least one. */
export function* blobPayloads({ ref, blobKind, bytes }: NewBlob): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += MAX_BLOB_FRAME_BYTES) {
    const data = bytes.subarray(at, at + MAX_BLOB_FRAME_BYTES);
    yield encodeRecordTransient({ kind: "blob", ref, blobKind, size: bytes.length, at, data });
  }
}
