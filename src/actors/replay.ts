/**
 * Replay of the tail at open: enters where each record lies, and nothing else. Sessions are not loaded, so
 * the cost follows the tail. A blob whose parts did not all arrive was never acknowledged and is forgotten.
 */
import { storeError } from "../errors.ts";
import type { BlobRef, Lsn } from "../ids.ts";
import { type BlobRoute, routeRecord } from "../session/record-route.ts";
import type { BlobTail, Tail } from "./tail.ts";

export class TailReplay {
  readonly #tail: Tail;
  readonly #directory: string;
  /** Blobs of which parts are missing so far, with the bytes that came. */
  readonly #partial = new Map<BlobRef, { readonly entry: BlobTail; bytes: number }>();

  constructor(tail: Tail, directory: string) {
    this.#tail = tail;
    this.#directory = directory;
  }

  readonly onRecord = (lsn: Lsn, segment: number, offset: number, payload: Uint8Array): void => {
    const record = this.#decode(segment, offset, payload);
    if (record.kind === "blob") this.#addPart(record, lsn, segment, offset);
    else this.#tail.addRecord(record, lsn, segment, offset, payload.length);
  };

  /** Call once after the last record. */
  finish(): void {
    for (const ref of this.#partial.keys()) this.#tail.removeBlob(ref);
  }

  #addPart(record: BlobRoute, lsn: Lsn, segment: number, offset: number): void {
    let partial = this.#partial.get(record.ref);
    if (record.at === 0 || partial === undefined) {
      partial = { entry: this.#tail.addBlob(record.ref, record.blobKind, record.size, lsn), bytes: 0 };
      this.#partial.set(record.ref, partial);
    }
    partial.entry.positions.push(segment, offset);
    partial.bytes += record.dataBytes;
    if (partial.bytes === record.size) this.#partial.delete(record.ref);
  }

  #decode(segment: number, offset: number, payload: Uint8Array) {
    try {
      return routeRecord(payload);
    } catch (error) {
      const file = `${this.#directory}/${segment.toString(16).padStart(16, "0")}.wal`;
      throw storeError(
        "CORRUPT",
        { file, offset },
        `${file} at ${offset}: its record cannot be read: ${(error as Error).message}`,
        error,
      );
    }
  }
}
