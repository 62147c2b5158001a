/**
 * Bit rot that a store must survive: one bit of the newest manifest turns over while no process runs. The older
 * generation and its longer log hold everything; the file of the newest is dropped by the next publication.
 */
import type { Machine } from "../../src/testing/simulation/machine.ts";
import type { Random } from "../../src/testing/simulation/random.ts";

const MANIFEST = /^manifest-\d+$/;

/** True if there was a generation to fall back to, and the newest is damaged now. */
export function rotNewestManifest({ files, trace }: Machine, root: string, random: Random): boolean {
  if (files.stat(root) === undefined) return false;
  const names = files.list(root).filter((name) => MANIFEST.test(name));
  const newest = names.at(-1);
  if (newest === undefined || names.length < 2) return false;
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
