/**
 * Every way to damage one file, or two of them, each told in words and with the rule of what may be refused.
 * A damage is made in a fork; the image itself stays whole. Damage that changes no byte is left out.
 */
import type { ImageVfs } from "../support/image-vfs.ts";
import { HARMLESS, type Range, type Rule, type StoreMap } from "./store-map.ts";

export interface Damage {
  readonly told: string;
  readonly rule: Rule;
  /** Paths that a refusal may name. */
  readonly files: readonly string[];
  readonly make: (images: ImageVfs) => void;
}

/** Flips the bits that `step` selects: every one if it is 1. */
export function* bitFlips(map: StoreMap, images: ImageVfs, path: string, step: number): Generator<Damage> {
  const bytes = images.bytes(path);
  for (let bit = 0; bit < 8 * bytes.length; bit += step) {
    const at = bit >> 3;
    yield {
      told: `bit ${bit & 7} of byte ${at} of ${path}`,
      rule: map.changed(path, [{ from: at, to: at + 1 }]),
      files: [path],
      make: (fork) => {
        const flipped = Uint8Array.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
        fork.put(path, flipped);
      },
    };
  }
}

/** Every block of that size: zeroed, and filled with bytes of no meaning. */
export function* blockDamages(
  map: StoreMap,
  images: ImageVfs,
  path: string,
  blockBytes: number,
): Generator<Damage> {
  const bytes = images.bytes(path);
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const to = Math.min(from + blockBytes, bytes.length);
    for (const [word, fill] of [
      ["zeroed", 0],
      ["garbled", 0x5a],
    ] as const) {
      const other = Uint8Array.from(bytes);
      other.fill(fill, from, to);
      yield* changedFile(map, images, {
        path,
        from,
        to,
        bytes: other,
        told: `bytes ${from} to ${to} of ${path} ${word}`,
      });
    }
  }
}

/** Every block of that size changed with the next one of the same file, and with the same one of `other`. */
export function* blockSwaps(
  map: StoreMap,
  images: ImageVfs,
  paths: { readonly path: string; readonly other: string },
  blockBytes: number,
): Generator<Damage> {
  const { path, other } = paths;
  const [bytes, others] = [images.bytes(path), images.bytes(other)];
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const to = Math.min(from + 2 * blockBytes, bytes.length);
    const swapped = Buffer.concat([
      bytes.subarray(0, from),
      bytes.subarray(from + blockBytes, to),
      bytes.subarray(from, from + blockBytes),
      bytes.subarray(to),
    ]).subarray(0, bytes.length);
    yield* changedFile(map, images, {
      path,
      from,
      to,
      bytes: swapped,
      told: `blocks swapped at ${from} of ${path}`,
    });
  }
  const common = Math.min(bytes.length, others.length);
  for (let from = 0; from < common; from += blockBytes) {
    const to = Math.min(from + blockBytes, common);
    const [mine, theirs] = [Uint8Array.from(bytes), Uint8Array.from(others)];
    mine.set(others.subarray(from, to), from);
    theirs.set(bytes.subarray(from, to), from);
    if (Buffer.compare(mine, bytes) === 0) continue;
    yield {
      told: `bytes ${from} to ${to} of ${path} and ${other} swapped`,
      rule: map.together(
        new Map([
          [path, changeRule(map, bytes, mine, path)],
          [other, changeRule(map, others, theirs, other)],
        ]),
      ),
      files: [path, other],
      make: (fork) => {
        fork.put(path, mine);
        fork.put(other, theirs);
      },
    };
  }
}

function* changedFile(
  map: StoreMap,
  images: ImageVfs,
  change: { path: string; from: number; to: number; bytes: Uint8Array; told: string },
): Generator<Damage> {
  const { path, bytes, told } = change;
  if (Buffer.compare(bytes, images.bytes(path)) === 0) return;
  const rule = changeRule(map, images.bytes(path), bytes, path);
  yield { told, rule, files: [path], make: (fork) => fork.put(path, bytes) };
}

/** By the bytes that really differ: what stands there twice is no damage. */
function changeRule(map: StoreMap, before: Uint8Array, after: Uint8Array, path: string): Rule {
  const ranges: Range[] = [];
  let from = -1;
  for (let at = 0; at <= before.length; at++) {
    const differs = at < before.length && before[at] !== after[at];
    if (differs && from < 0) from = at;
    if (differs || from < 0) continue;
    ranges.push({ from, to: at });
    from = -1;
  }
  return map.changed(path, ranges);
}

/** The file cut to these lengths, and lengthened. */
export function* lengthDamages(
  map: StoreMap,
  images: ImageVfs,
  path: string,
  lengths: Iterable<number>,
): Generator<Damage> {
  const bytes = images.bytes(path);
  for (const length of lengths) {
    if (length === bytes.length) continue;
    const other = new Uint8Array(length);
    other.set(bytes.subarray(0, length));
    yield {
      told: `${path} of ${length} bytes instead of ${bytes.length}`,
      rule: map.replaced(path),
      files: [path],
      make: (fork) => fork.put(path, other),
    };
  }
}

export function removal(map: StoreMap, path: string): Damage {
  return {
    told: `${path} removed`,
    rule: map.replaced(path),
    files: [path],
    make: (fork) => void fork.remove(path),
  };
}

/** A copy of the file stands under another name as well. `stray` says what the copy itself may cause. */
export function duplicate(images: ImageVfs, path: string, copy: string, stray: Rule = HARMLESS): Damage {
  return {
    told: `${path} also as ${copy}`,
    rule: stray,
    files: [copy],
    make: (fork) => fork.put(copy, images.bytes(path)),
  };
}

/** An earlier content of the file stands there again. */
export function rollback(map: StoreMap, images: ImageVfs, path: string, older: Uint8Array): Damage {
  const now = images.paths.includes(path) ? images.bytes(path) : undefined;
  const rule =
    now === undefined
      ? HARMLESS
      : now.length === older.length
        ? changeRule(map, now, older, path)
        : map.replaced(path);
  return { told: `${path} as it once was`, rule, files: [path], make: (fork) => fork.put(path, older) };
}

export function swap(map: StoreMap, images: ImageVfs, first: string, second: string): Damage {
  const [a, b] = [images.bytes(first), images.bytes(second)];
  return {
    told: `${first} and ${second} swapped`,
    rule: map.together(
      new Map([
        [first, map.replaced(first)],
        [second, map.replaced(second)],
      ]),
    ),
    files: [first, second],
    make: (fork) => {
      fork.put(first, b);
      fork.put(second, a);
    },
  };
}
