/**
 * Payloads of a fold's records, copied while the log is scanned and given back when their session is folded. Reading each again, in
 * the order of ids, took a quarter of a fold. It deliberately keeps neither long ones, which cost a read little each, nor more
 * than a bound: those are read again.
 */
import { KIB, MAX_KEPT_RECORD_BYTES, MIB } from "../limits.ts";

/** A place of no record. */
export const NOT_KEPT = -1;

const CHUNK_BYTES = 1 * MIB;
/** What a chunk may leave unused at its end. */
const MAX_PAYLOAD_BYTES = 64 * KIB;

export class KeptRecords {
  readonly #mostChunks: number;
  readonly #chunks: Buffer[] = [];
  #used = CHUNK_BYTES;

  constructor(mostBytes = MAX_KEPT_RECORD_BYTES) {
    this.#mostChunks = Math.floor(mostBytes / CHUNK_BYTES);
  }

  /** Copies a payload; answers its place, or `NOT_KEPT`. */
  keep(payload: Uint8Array): number {
    if (payload.length > MAX_PAYLOAD_BYTES) return NOT_KEPT;
    if (this.#used + payload.length > CHUNK_BYTES) {
      if (this.#chunks.length === this.#mostChunks) return NOT_KEPT;
      this.#chunks.push(Buffer.allocUnsafeSlow(CHUNK_BYTES));
      this.#used = 0;
    }
    const chunk = this.#chunks.length - 1;
    const at = this.#used;
    this.#chunks[chunk]?.set(payload, at);
    this.#used += payload.length;
    return chunk * CHUNK_BYTES + at;
  }

  /** The payload of so many bytes kept at that place: a view, for as long as the caller likes. */
  at(place: number, bytes: number): Uint8Array | undefined {
    if (place === NOT_KEPT) return undefined;
    const at = place % CHUNK_BYTES;
    return this.#chunks[Math.floor(place / CHUNK_BYTES)]?.subarray(at, at + bytes);
  }
}
