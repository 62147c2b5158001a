/**
 * Bit rot that a store must survive: one bit of the newest manifest turns over while no process runs. The older
 * generation and its longer log hold everything; the file of the newest is dropped by the next owner.
 *
 * 1. There is a generation to fall back to. After such a fall there is one generation only, until the next
 *    publication. The directory may say otherwise: a manifest older than both, removed when both were durable, is
 *    there again after a power cut, but the files it names are not. So no manifest older than one that rotted is
 *    harmed. (The simulation once did that, and blamed the store for its refusal.)
 */
import type { Machine } from "../../src/testing/simulation/machine.ts";
import type { Random } from "../../src/testing/simulation/random.ts";

const MANIFEST = /^manifest-\d+$/;

export class Rot {
  /** The newest manifest that was ever harmed. Names sort as numbers do. */
  #newestHarmed = "";

  /** True if there was a generation to fall back to, and the newest is damaged now. */
  harmNewestManifest({ files, trace }: Machine, root: string, random: Random): boolean {
    if (files.stat(root) === undefined) return false;
    const names = files.list(root).filter((name) => MANIFEST.test(name));
    const newest = names.at(-1);
    if (newest === undefined || names.length < 2 || newest < this.#newestHarmed) return false;
    this.#newestHarmed = newest;
    const file = files.open(`${root}/${newest}`, "write");
    try {
      const { size } = file.stat();
      const bytes = Buffer.alloc(size);
      file.read(bytes, 0);
      const at = random.below(size);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      file.write([bytes.subarray(at, at + 1)], at);
      file.sync();
      trace.add(`rot in ${newest} at ${at}`);
      return true;
    } finally {
      file.close();
    }
  }
}
