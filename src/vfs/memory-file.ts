/**
 * A file of the memory file system, apart from its names: bytes, lock, and, if crashes are wanted, how to
 * undo what was written since its last sync. The history is kept as undo (old bytes of overwritten ranges),
 * so a sync forgets it in one step and appending costs no copy. What a crash makes of it is in
 * `memory-moment.ts`.
 *
 * 1. Undoing the history from its end gives exactly the synced bytes.
 * 2. A moment of this file changes nothing of it, and nothing changes the moment.
 * 3. After `distrustSyncs` no sync makes anything durable: what a kernel does to pages whose sync failed.
 */
import type { MemoryBytes } from "./memory-bytes.ts";
import { type Change, FileMoment } from "./memory-moment.ts";
import type { SectorSum } from "./memory-sum.ts";

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
  /** Of the bytes as they are; undefined when they changed since it was known. */
  #sum: Readonly<SectorSum> | undefined;
  #moment: FileMoment | undefined;

  constructor(
    ino: number,
    bytes: MemoryBytes,
    options: { readonly crashable: boolean; readonly sum?: Readonly<SectorSum> },
  ) {
    this.ino = ino;
    this.#bytes = bytes;
    this.#unsynced = options.crashable ? [] : undefined;
    this.#sum = options.sum;
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
    if (this.#unsynced === undefined || this.#unsynced.length === 0 || !this.#syncsTrusted) return;
    this.#sum = this.#moment?.knownSum ?? this.#sum;
    this.#moment = undefined;
    this.#unsynced = [];
  }

  distrustSyncs(): void {
    this.#syncsTrusted = false;
  }

  /** The file as it is now, with what a crash may lose; the same one until the file changes. */
  moment(): FileMoment {
    this.#moment ??= new FileMoment(this.#bytes.copy(), this.#unsynced ?? [], this.#sum);
    return this.#moment;
  }

  #remember(kind: Change["kind"], start: number, end: number, newSize: number, origin: Origin): void {
    this.#moment = undefined;
    this.#sum = undefined;
    if (this.#unsynced === undefined) return;
    const oldSize = this.size;
    const before = new Uint8Array(Math.max(0, Math.min(end, oldSize) - start));
    this.#bytes.read(before, start);
    this.#unsynced.push({ kind, ...origin, start, end, before, oldSize, newSize });
  }
}
