/**
 * Blobs that commits named while a gc runs, in the order in which they were named first, and the look whether
 * a list of dead blobs meets one of them. It deliberately decides nothing: who looks, decides.
 *
 * 1. The look takes a bounded number a turn; blobs named meanwhile queue behind, so it has seen everything
 *    exactly when it says so, and not a turn later.
 */
import { storeError } from "../errors.ts";
import { type BlobRef, refToBytes } from "../ids.ts";
import { MAX_GC_USED_BLOBS, USED_BLOBS_PER_TURN } from "../limits.ts";
import { hasDigest } from "../snapshot/collect.ts";

export class UsedBlobs {
  readonly #known = new Set<BlobRef>();
  readonly #inOrder: BlobRef[] = [];

  get size(): number {
    return this.#inOrder.length;
  }

  add(ref: BlobRef): void {
    if (this.#known.has(ref)) return;
    this.#known.add(ref);
    this.#inOrder.push(ref);
  }

  /** The blob that was named as number `index`, from 0. */
  at(index: number): BlobRef | undefined {
    return this.#inOrder[index];
  }

  /** Throws STORE_BUSY when there are more than a gc may remember. */
  checkBound(): void {
    if (this.size <= MAX_GC_USED_BLOBS) return;
    throw storeError(
      "STORE_BUSY",
      { queuedBytes: 0 },
      `the gc was given up: ${this.size} blobs were used while it ran; try again when it is quieter`,
    );
  }
}

/** The look at the used blobs for one list of dead ones, ascending. */
export class UsedLook {
  readonly #used: UsedBlobs;
  readonly #dead: Uint8Array;
  #next = 0;
  /** Used blobs that the list calls dead, and their digests. */
  readonly refs = new Set<BlobRef>();
  readonly digests: Uint8Array[] = [];

  constructor(used: UsedBlobs, dead: Uint8Array) {
    this.#used = used;
    this.#dead = dead;
  }

  /** One turn's share: true when every blob used so far was looked at. */
  turn(): boolean {
    const end = Math.min(this.#used.size, this.#next + USED_BLOBS_PER_TURN);
    for (; this.#next < end; this.#next++) {
      const ref = this.#used.at(this.#next);
      if (ref === undefined) break;
      const digest = refToBytes(ref);
      if (!hasDigest(this.#dead, digest)) continue;
      this.refs.add(ref);
      this.digests.push(digest);
    }
    return this.#next === this.#used.size;
  }
}
