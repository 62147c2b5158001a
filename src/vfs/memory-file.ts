/**
 * A file of the memory file system, apart from its names: bytes, lock, and, if crashes are wanted, how to
 * undo what was written since its last sync. The history is kept as undo (old bytes of overwritten ranges),
 * so a sync forgets it in one step and appending costs no copy.
 *
 * 1. Undoing the history from its end gives exactly the synced bytes.
 * 2. A crash reads this file and changes nothing of it.
 * 3. After `distrustSyncs` no sync makes anything durable: what a kernel does to pages whose sync failed.
 */
import type { MemoryBytes } from "./memory-bytes.ts";
import {
  type CrashChooser,
  type PendingLength,
  type PendingPart,
  type PendingSector,
  SECTOR_BYTES,
} from "./memory-crash.ts";
import { randomFrom } from "./memory-random.ts";

/** One write or truncation since the last sync. */
interface Change {
  readonly kind: "write" | "truncate";
  readonly at: number;
  readonly path: string;
  /** Range whose bytes changed. */
  readonly start: number;
  readonly end: number;
  /** Old bytes from `start`, as far as the file reached. */
  readonly before: Uint8Array;
  readonly oldSize: number;
  readonly newSize: number;
}

/** Who changes the file: place in the order of operations, and path of the open file. */
export interface Origin {
  readonly at: number;
  readonly path: string;
}

export class FileNode {
  readonly kind = "file";
  readonly ino: number;
  links = 1;
  /** The open file that holds the lock. */
  lockedBy: object | undefined;
  readonly #bytes: MemoryBytes;
  /** Undefined if crashes are not wanted. */
  #unsynced: Change[] | undefined;
  #syncsTrusted = true;

  constructor(ino: number, bytes: MemoryBytes, options: { readonly crashable: boolean }) {
    this.ino = ino;
    this.#bytes = bytes;
    this.#unsynced = options.crashable ? [] : undefined;
  }

  get size(): number {
    return this.#bytes.size;
  }

  read(target: Uint8Array, position: number): number {
    return this.#bytes.read(target, position);
  }

  write(parts: readonly Uint8Array[], position: number, origin: Origin): void {
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
    if (length === 0) return;
    const end = position + length;
    this.#remember("write", position, end, Math.max(this.size, end), origin);
    let at = position;
    for (const part of parts) {
      this.#bytes.write(part, at);
      at += part.byteLength;
    }
  }

  truncate(size: number, origin: Origin): void {
    this.#remember("truncate", size, Math.max(size, this.size), size, origin);
    this.#bytes.truncate(size);
  }

  sync(): void {
    if (this.#unsynced !== undefined && this.#unsynced.length > 0 && this.#syncsTrusted) this.#unsynced = [];
  }

  distrustSyncs(): void {
    this.#syncsTrusted = false;
  }

  /** What a crash may lose, in order. */
  parts(): PendingPart[] {
    return (this.#unsynced ?? []).flatMap((change) => [...sectorsOf(change), ...lengthOf(change)]);
  }

  /** The file as a crash leaves it. */
  crash(chooser: CrashChooser): FileNode {
    const bytes = this.#bytes.copy();
    const changes = this.#unsynced ?? [];
    const images: Uint8Array[] = [];
    for (let index = changes.length - 1; index >= 0; index--) {
      const change = changes[index];
      if (change === undefined) continue;
      images[index] = imageOf(bytes, change);
      bytes.write(change.before, change.start);
      bytes.truncate(change.oldSize);
    }
    changes.forEach((change, index) => {
      if (change.kind === "write") rewrite(bytes, change, images[index] ?? EMPTY, chooser);
      for (const part of lengthOf(change)) {
        if (chooser.length(part) === "lost") continue;
        if (change.kind === "truncate" || bytes.size < part.to) bytes.truncate(part.to);
      }
    });
    return new FileNode(this.ino, bytes, { crashable: true });
  }

  #remember(kind: Change["kind"], start: number, end: number, newSize: number, origin: Origin): void {
    if (this.#unsynced === undefined) return;
    const oldSize = this.size;
    const before = new Uint8Array(Math.max(0, Math.min(end, oldSize) - start));
    this.#bytes.read(before, start);
    this.#unsynced.push({ kind, ...origin, start, end, before, oldSize, newSize });
  }
}

const EMPTY = new Uint8Array(0);

/** All sectors that a write touches, as the page cache has them. */
function imageOf(bytes: MemoryBytes, { start, end }: Change): Uint8Array {
  const first = sectorStart(start);
  const image = new Uint8Array(sectorStart(end + SECTOR_BYTES - 1) - first);
  bytes.read(image, first);
  return image;
}

function rewrite(bytes: MemoryBytes, change: Change, image: Uint8Array, chooser: CrashChooser): void {
  const origin = sectorStart(change.start);
  const put = (start: number, end: number): void =>
    bytes.write(image.subarray(start - origin, end - origin), start);
  for (const part of sectorsOf(change)) {
    const fate = chooser.sector(part);
    const { start, end } = part;
    if (fate === "lost") continue;
    if (fate === "kept") {
      const first = sectorStart(start);
      put(first, Math.min(first + SECTOR_BYTES, change.newSize));
    } else if ("garbage" in fate) {
      bytes.write(garbage(fate.garbage + start, end - start), start);
    } else if (fate.torn === "front") put(start, Math.min(start + fate.bytes, end));
    else put(Math.min(start + fate.bytes, end), end);
  }
}

function* sectorsOf({ kind, at, path, start, end }: Change): Generator<PendingSector> {
  if (kind !== "write") return;
  for (let from = start; from < end; from = sectorStart(from) + SECTOR_BYTES) {
    yield { part: "sector", at, path, start: from, end: Math.min(end, sectorStart(from) + SECTOR_BYTES) };
  }
}

function* lengthOf({ at, path, oldSize, newSize }: Change): Generator<PendingLength> {
  if (oldSize !== newSize) yield { part: "length", at, path, from: oldSize, to: newSize };
}

function sectorStart(position: number): number {
  return position - (position % SECTOR_BYTES);
}

function garbage(seed: number, length: number): Uint8Array {
  const random = randomFrom(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}
