/**
 * A file system that fails on command: wraps any other and makes chosen operations fail as a disk would. It
 * decides nothing by chance; a rule names its operation, path and turn, and the wrapper records what fired,
 * so that a test can prove that its fault happened.
 *
 * 1. An operation that a rule fails does not happen, except that a short write writes its first half and a
 *    failed close closes. A sync that lies does not happen either, and says that it did.
 * 2. After a failed sync the memory file system makes nothing of that file (or directory) durable by a later
 *    sync, as a kernel that has marked the pages clean; every sync and its outcome is in `syncLog`.
 */
import { isStoreError } from "../errors.ts";
import { ioError, SHORT_WRITE, type VfsOperation } from "./io-error.ts";
import { MemoryVfs } from "./memory.ts";
import { MemoryFile } from "./memory-handle.ts";
import type { FileStat, OpenMode, Vfs, VfsFile } from "./vfs.ts";

/** Not an error at all: a sync, of a file or a directory, answers and makes nothing durable. */
export const LYING_SYNC = "LYING";

export type FaultErrno =
  | "EIO"
  | "ENOSPC"
  | "EDQUOT"
  | "EMFILE"
  | "EROFS"
  | "EACCES"
  | typeof SHORT_WRITE
  | typeof LYING_SYNC;

export interface FaultSpec {
  readonly operation: VfsOperation | "any";
  readonly errno: FaultErrno;
  /** Paths it applies to (a rename has two); all if absent. */
  readonly path?: RegExp;
  /** Which of the matching operations fails, from 1; the first if absent. */
  readonly nth?: number;
  /** Only that one, or every one from it on; "once" if absent. */
  readonly times?: "once" | "forever";
}

/** A rule. It has no state, so it can serve many runs; it prints as e.g. `datasync(/\.wal$/) #3.. EIO`. */
export class Fault {
  readonly spec: Required<Omit<FaultSpec, "path">> & Pick<FaultSpec, "path">;

  constructor(spec: FaultSpec) {
    this.spec = { nth: 1, times: "once", ...spec };
  }

  matches(operation: VfsOperation, paths: readonly string[]): boolean {
    const { operation: wanted, path, errno } = this.spec;
    if (errno === SHORT_WRITE && operation !== "write") return false;
    if (errno === LYING_SYNC && !operation.toLowerCase().includes("sync")) return false;
    return (
      (wanted === "any" || wanted === operation) &&
      (path === undefined || paths.some((one) => one.search(path) >= 0))
    );
  }

  /** True if the `turn`-th matching operation fails. */
  strikes(turn: number): boolean {
    return this.spec.times === "once" ? turn === this.spec.nth : turn >= this.spec.nth;
  }

  toString(): string {
    const { operation, path, nth, times, errno } = this.spec;
    return `${operation}(${path ?? "*"}) #${nth}${times === "forever" ? ".." : ""} ${errno}`;
  }
}

export interface FiredFault {
  readonly fault: Fault;
  readonly operation: VfsOperation;
  readonly path: string;
}

export interface SyncEntry {
  readonly operation: "datasync" | "sync" | "syncDirectory";
  readonly path: string;
  /** Identity of the file or directory, whatever its name; a created file never shares an older one's. */
  readonly file: string;
  /** "ok" or the errno. */
  readonly outcome: string;
}

export function withFaults(vfs: Vfs, rules: readonly (Fault | FaultSpec)[] = []): FaultyVfs {
  const faulty = new FaultyVfs(vfs);
  for (const rule of rules) faulty.inject(rule);
  return faulty;
}

export class FaultyVfs implements Vfs {
  readonly kind: Vfs["kind"];
  readonly fired: FiredFault[] = [];
  readonly syncLog: SyncEntry[] = [];
  readonly #inner: Vfs;
  /** Rules and how many operations matched each. */
  #turns = new Map<Fault, number>();
  readonly #incarnations = new Map<string, number>();

  constructor(inner: Vfs) {
    this.kind = inner.kind;
    this.#inner = inner;
  }

  /** Adds a rule; it counts operations from now on. */
  inject(rule: Fault | FaultSpec): void {
    this.#turns.set(rule instanceof Fault ? rule : new Fault(rule), 0);
  }

  /** Removes all rules: the disk works again (and has forgotten what it failed to sync). */
  heal(): void {
    this.#turns.clear();
  }

  /** Syncs of a file after one of it had failed. A correct store has none. */
  syncsAfterFailure(): SyncEntry[] {
    const failed = new Set<string>();
    return this.syncLog.filter(({ file, outcome }) => {
      const again = failed.has(file);
      if (outcome !== "ok") failed.add(file);
      return again;
    });
  }

  open(path: string, mode: OpenMode): VfsFile {
    const file = this.#run("open", [path], () => this.#inner.open(path, mode));
    const key = identity(file.stat());
    const incarnation = (this.#incarnations.get(key) ?? 0) + (mode === "create" ? 1 : 0);
    this.#incarnations.set(key, incarnation);
    return new FaultyFile(file, {
      strike: (operation) => this.#strike(operation, [path]),
      synced: (operation, outcome) =>
        this.syncLog.push({ operation, path, file: `${key}:${incarnation}`, outcome }),
    });
  }

  makeDirectory(path: string): void {
    this.#run("makeDirectory", [path], () => this.#inner.makeDirectory(path));
  }

  list(path: string): string[] {
    return this.#run("list", [path], () => this.#inner.list(path));
  }

  stat(path: string): FileStat | undefined {
    return this.#run("stat", [path], () => this.#inner.stat(path));
  }

  rename(source: string, target: string): void {
    this.#run("rename", [source, target], () => this.#inner.rename(source, target));
  }

  remove(path: string): boolean {
    return this.#run("remove", [path], () => this.#inner.remove(path));
  }

  syncDirectory(path: string): void {
    const stat = this.#inner.stat(path);
    const file = stat === undefined ? path : identity(stat);
    logged(
      () =>
        sync(this.#strike("syncDirectory", [path]), "syncDirectory", path, () =>
          this.#inner.syncDirectory(path),
        ),
      (outcome) => {
        this.syncLog.push({ operation: "syncDirectory", path, file, outcome });
        if (outcome !== "ok" && stat !== undefined && this.#inner instanceof MemoryVfs) {
          this.#inner.distrustDirectorySyncs(path);
        }
      },
    );
  }

  fileSystem(path: string): { readonly name: string; readonly network: boolean } {
    return this.#run("fileSystem", [path], () => this.#inner.fileSystem(path));
  }

  #run<Result>(operation: VfsOperation, paths: readonly [string, ...string[]], action: () => Result): Result {
    const errno = this.#strike(operation, paths);
    if (errno !== undefined) throw ioError(operation, paths[0], errno);
    return action();
  }

  /** Counts the operation for every rule; the errno of the first that strikes. */
  #strike(operation: VfsOperation, paths: readonly [string, ...string[]]): FaultErrno | undefined {
    let errno: FaultErrno | undefined;
    for (const [fault, turns] of this.#turns) {
      if (!fault.matches(operation, paths)) continue;
      this.#turns.set(fault, turns + 1);
      if (errno !== undefined || !fault.strikes(turns + 1)) continue;
      errno = fault.spec.errno;
      this.fired.push({ fault, operation, path: paths[0] });
    }
    return errno;
  }
}

interface FileFaults {
  strike(operation: VfsOperation): FaultErrno | undefined;
  synced(operation: "datasync" | "sync", outcome: string): void;
}

class FaultyFile implements VfsFile {
  readonly path: string;
  readonly #inner: VfsFile;
  readonly #faults: FileFaults;

  constructor(inner: VfsFile, faults: FileFaults) {
    this.path = inner.path;
    this.#inner = inner;
    this.#faults = faults;
  }

  read(target: Uint8Array, position: number): number {
    return this.#run("read", () => this.#inner.read(target, position));
  }

  write(parts: readonly Uint8Array[], position: number): void {
    const errno = this.#faults.strike("write");
    if (errno === undefined) return this.#inner.write(parts, position);
    if (errno === SHORT_WRITE) this.#inner.write([firstHalf(parts)], position);
    throw ioError("write", this.path, errno);
  }

  datasync(): void {
    this.#sync("datasync", () => this.#inner.datasync());
  }

  sync(): void {
    this.#sync("sync", () => this.#inner.sync());
  }

  stat(): FileStat {
    return this.#run("stat", () => this.#inner.stat());
  }

  truncate(size: number): void {
    this.#run("truncate", () => this.#inner.truncate(size));
  }

  tryLock(): boolean {
    return this.#run("lock", () => this.#inner.tryLock());
  }

  close(): void {
    const errno = this.#faults.strike("close");
    this.#inner.close();
    if (errno !== undefined) throw ioError("close", this.path, errno);
  }

  #sync(operation: "datasync" | "sync", action: () => void): void {
    logged(
      () => sync(this.#faults.strike(operation), operation, this.path, action),
      (outcome) => {
        this.#faults.synced(operation, outcome);
        if (outcome !== "ok" && this.#inner instanceof MemoryFile) this.#inner.distrustSyncs();
      },
    );
  }

  #run<Result>(operation: VfsOperation, action: () => Result): Result {
    const errno = this.#faults.strike(operation);
    if (errno !== undefined) throw ioError(operation, this.path, errno);
    return action();
  }
}

/** A sync as the fault that strikes it makes it. */
function sync(
  errno: FaultErrno | undefined,
  operation: VfsOperation,
  path: string,
  action: () => void,
): void {
  if (errno === LYING_SYNC) return;
  if (errno !== undefined) throw ioError(operation, path, errno);
  action();
}

/** Runs a sync and reports "ok" or its errno. */
function logged(action: () => void, report: (outcome: string) => void): void {
  try {
    action();
  } catch (error) {
    report(isStoreError(error, "STORE_IO") ? error.errno : "unknown");
    throw error;
  }
  report("ok");
}

function firstHalf(parts: readonly Uint8Array[]): Uint8Array {
  const whole = Buffer.concat(parts);
  return whole.subarray(0, whole.byteLength >> 1);
}

function identity({ dev, ino }: FileStat): string {
  return `${dev}:${ino}`;
}
