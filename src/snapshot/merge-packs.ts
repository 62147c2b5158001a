/** Merging values of several packs in the order of digests, streaming: one value in memory at a time. */
import type { PackReader, StoredValue } from "./pack.ts";

/** Values in ascending order of digest; each is read only when it is taken. */
export type ValueSource = Generator<{ readonly digest: Uint8Array; readonly value: () => StoredValue }>;

/** Entries of a pack that `isKept` says yes to. */
export function* packSource(pack: PackReader, isKept: (index: number) => boolean = () => true): ValueSource {
  for (const entry of pack.entries()) {
    if (isKept(entry.index)) yield { digest: entry.digest, value: () => pack.readStored(entry) };
  }
}

/** Every digest once; where several sources have it, the first source's value is taken. */
export function* mergeValues(sources: readonly ValueSource[]): Generator<StoredValue> {
  const fronts = sources.map((source) => source.next());
  for (;;) {
    let least: Uint8Array | undefined;
    for (const front of fronts) {
      if (front.done !== true && (least === undefined || Buffer.compare(front.value.digest, least) < 0)) {
        least = front.value.digest;
      }
    }
    if (least === undefined) return;
    let isTaken = false;
    for (let i = 0; i < fronts.length; i++) {
      const front = fronts[i];
      const source = sources[i];
      if (front === undefined || source === undefined || front.done === true) continue;
      if (Buffer.compare(front.value.digest, least) !== 0) continue;
      if (!isTaken) yield front.value.value();
      isTaken = true;
      fronts[i] = source.next();
    }
  }
}
