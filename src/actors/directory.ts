/**
 * A store's directory before anything in it is opened: whose it is, and who owns it.
 *
 * 1. The lock is held on the file `format`, which is never renamed or replaced; `lock` is text for messages.
 * 2. A directory is a new store only if nothing in it says otherwise; foreign files are never touched, also
 *    not one that happens to be called `format`. A store that lost its manifests is damaged, not new.
 * 3. What decides whether the store is new is read under the lock: before, another owner may be making it.
 */
import { randomBytes } from "node:crypto";
import { crc32 } from "../checksum.ts";
import { isStoreError, type StoreError, storeError } from "../errors.ts";
import { manifestPath } from "../snapshot/manifest.ts";
import type { Vfs, VfsFile } from "../vfs/vfs.ts";
import { throwIfAborted } from "./ask.ts";
import { lockedError, writeOwner } from "./owner-text.ts";

export const FORMAT_VERSION = 1;

/** `format`: magic, u16 version, 6 zero bytes, UUID, u32 CRC of what precedes it, 12 zero bytes. */
const FORMAT_BYTES = 48;
const MAGIC = Buffer.from("VARVE\r\n\x1a", "latin1");
const OWN_NAMES = /^(format|lock|wal|heads|blobs|quarantine|lost\+found|manifest-\d{6,}(\.tmp)?)$/;
/** errnos of a directory that cannot be opened to be synced. */
const FORBIDDEN: ReadonlySet<string> = new Set(["EACCES", "EPERM"]);
/** Milliseconds between two attempts to take the lock. */
const LOCK_RETRY_MS = 20;

/** That many random bytes, for the id of a new store. */
type Random = (bytes: number) => Uint8Array;

export interface Ownership {
  readonly root: string;
  /** 16 bytes, drawn when the store was created. */
  readonly storeId: Uint8Array;
  /** No manifest was ever published here: creation has to be done, or done again. */
  readonly isNew: boolean;
  /** Throws CORRUPT when `format` is no longer the file the lock is held on. */
  check(): void;
  /** Frees the lock; last of all. */
  release(): void;
}

/** Creates the directory if need be, refuses what is not ours, and takes the lock without waiting. */
export function ownDirectory(vfs: Vfs, root: string, random: Random = randomBytes): Ownership {
  prepareDirectory(vfs, root);
  const names = vfs.list(root);
  refuseForeign(root, names);
  const path = `${root}/format`;
  const file = openFormat(vfs, path, names.includes("format"));
  try {
    if (!file.tryLock()) throw lockedError(vfs, root);
    const isNew = !hasManifest(vfs.list(root));
    if (isNew) refuseRemains(vfs, root);
    if (isNew) syncAncestors(vfs, root);
    const storeId = readOrWriteFormat({ vfs, root, file, isNew, random });
    writeOwner(vfs, root);
    const check = (): void => checkIdentity(vfs, path, file);
    check();
    return { root, storeId, isNew, check, release: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** As `ownDirectory`, trying again for up to `waitMs` while another owner has the lock. */
export async function ownDirectoryWithin(
  vfs: Vfs,
  root: string,
  wait: {
    readonly ms: number;
    readonly now: () => number;
    readonly signal?: AbortSignal | undefined;
    readonly random: Random;
  },
): Promise<Ownership> {
  const deadline = wait.now() + wait.ms;
  for (;;) {
    try {
      return ownDirectory(vfs, root, wait.random);
    } catch (error) {
      const left = deadline - wait.now();
      if (!isStoreError(error, "STORE_LOCKED") || left <= 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(LOCK_RETRY_MS, left)));
      throwIfAborted(wait.signal);
    }
  }
}

/** The store id of an existing store, read without the lock. */
export function readStoreId(vfs: Vfs, root: string): Uint8Array {
  const path = `${root}/format`;
  const names = vfs.stat(root)?.kind === "directory" ? vfs.list(root) : [];
  if (!names.includes("format")) {
    if (hasManifest(names)) throw missingFormat(root);
    throw storeError("NOT_A_STORE", { path: root }, `${root} holds no Varve store`);
  }
  const file = vfs.open(path, "read");
  try {
    return decodeFormat(path, formatBytes(file));
  } finally {
    file.close();
  }
}

/** One byte more than a format has, if it is there: a longer file is damaged, however long. */
function formatBytes(file: VfsFile): Uint8Array {
  const target = Buffer.alloc(FORMAT_BYTES + 1);
  return target.subarray(0, file.read(target, 0));
}

function prepareDirectory(vfs: Vfs, root: string): void {
  const stat = vfs.stat(root);
  if (stat === undefined) vfs.makeDirectory(root);
  else if (stat.kind !== "directory")
    throw storeError("NOT_A_STORE", { path: root }, `${root} is not a directory`);
}

/**
 * The names of the store itself and of every directory made for it must survive as well. Who made them cannot
 * be told: a creator that was killed may have left any of them unsynced. So all are synced, once, at creation.
 */
function syncAncestors(vfs: Vfs, root: string): void {
  const parent = parentOf(root);
  for (let path = root; path.length > 1; ) {
    path = parentOf(path);
    try {
      vfs.syncDirectory(path);
    } catch (error) {
      // What this user may not even open, no creator of this user has made.
      const isForbidden = isStoreError(error, "STORE_IO") && FORBIDDEN.has(error.errno);
      if (path === parent || !isForbidden) throw error;
    }
  }
}

/** The path itself if it exists, else the nearest directory above it that does. */
export function existingAncestor(vfs: Vfs, path: string): string {
  let candidate = path;
  while (candidate.length > 1 && vfs.stat(candidate) === undefined) candidate = parentOf(candidate);
  return candidate;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

function hasManifest(names: readonly string[]): boolean {
  return names.some((name) => /^manifest-\d+$/.test(name));
}

/** A store that exists may have foreign files beside it; one to be made may not. */
function refuseForeign(root: string, names: readonly string[]): void {
  const isStore = hasManifest(names);
  if (isStore && names.includes("format")) return;
  const foreign = names.find((name) => !OWN_NAMES.test(name));
  if (foreign !== undefined) throw foreignError(root, foreign);
  if (isStore) throw missingFormat(root);
}

function foreignError(root: string, name: string): StoreError {
  return storeError(
    "NOT_A_STORE",
    { path: root },
    `${root} holds "${name}", which is not part of a Varve store; use an empty directory`,
  );
}

/** Without a manifest there may be what creation makes before it, and nothing that only a used store has. */
export function refuseRemains(vfs: Vfs, root: string): void {
  const remains = [
    ["wal", /^(?!0{15}1\.wal$)[0-9a-f]{16}\.wal$/],
    ["heads", /./],
    ["blobs", /./],
  ] as const;
  for (const [directory, pattern] of remains) {
    const path = `${root}/${directory}`;
    if (vfs.stat(path)?.kind !== "directory") continue;
    const found = vfs.list(path).find((name) => pattern.test(name));
    if (found === undefined) continue;
    throw storeError(
      "CORRUPT",
      { file: `${root}/manifest-000001` },
      `${root} has no manifest, but ${directory}/${found} belongs to one; restore it from a copy`,
    );
  }
}

function missingFormat(root: string): StoreError {
  return storeError(
    "CORRUPT",
    { file: `${root}/format` },
    `${root} holds a store whose file "format" is missing; restore it from a copy`,
  );
}

function openFormat(vfs: Vfs, path: string, exists: boolean): VfsFile {
  if (exists) return vfs.open(path, "write");
  try {
    return vfs.open(path, "create");
  } catch (error) {
    // Another process created it between our look and our open.
    if (isStoreError(error, "STORE_IO") && error.errno === "EEXIST") return vfs.open(path, "write");
    throw error;
  }
}

interface FormatPlace {
  readonly vfs: Vfs;
  readonly root: string;
  readonly file: VfsFile;
  readonly isNew: boolean;
  readonly random: Random;
}

function readOrWriteFormat({ vfs, root, file, isNew, random }: FormatPlace): Uint8Array {
  const bytes = formatBytes(file);
  const witness = `${manifestPath(root, 1)}.tmp`;
  const isWitnessed = isNew && vfs.stat(witness) !== undefined;
  let storeId: Uint8Array;
  try {
    storeId = decodeFormat(file.path, bytes);
    if (!isNew) return storeId;
    // A creation that was cut short left it, perhaps in the page cache only: it is written once more.
  } catch (error) {
    if (!isNew || !isStoreError(error, "CORRUPT")) throw error;
    // Creation may have been cut short before the first manifest; then nothing was ever stored.
    if (!isCutFormat(bytes, isWitnessed)) throw foreignError(root, "format");
    storeId = random(16);
  }
  // A power cut can leave any bytes where a write was under way. The name of the first manifest, durable before
  // the write, then tells our unfinished file from a foreign one; creation goes on to put a manifest there.
  if (!isWitnessed) vfs.open(witness, "create").close();
  vfs.syncDirectory(root);
  file.truncate(0);
  file.write([encodeFormat(storeId)], 0);
  file.sync();
  return storeId;
}

/** What a crash can leave of the one write of a format: beside its witness anything, else nothing or zeros. */
function isCutFormat(bytes: Uint8Array, isWitnessed: boolean): boolean {
  if (bytes.length > FORMAT_BYTES) return false;
  return isWitnessed || bytes.every((byte) => byte === 0);
}

function encodeFormat(storeId: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FORMAT_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(FORMAT_VERSION, 8);
  bytes.set(storeId, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32);
  return bytes;
}

function decodeFormat(path: string, source: Uint8Array): Uint8Array {
  const bytes = Buffer.from(source);
  const corrupt = (what: string): StoreError =>
    storeError("CORRUPT", { file: path, offset: 0 }, `${path} is damaged: ${what}`);
  if (bytes.length < FORMAT_BYTES) throw corrupt(`it has ${bytes.length} bytes instead of ${FORMAT_BYTES}`);
  if (bytes.length > FORMAT_BYTES) throw corrupt(`it has more than ${FORMAT_BYTES} bytes`);
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw corrupt("its magic is wrong");
  if (bytes.readUInt32LE(32) !== crc32(bytes.subarray(0, 32))) throw corrupt("its checksum is wrong");
  const found = bytes.readUInt16LE(8);
  if (found !== FORMAT_VERSION) {
    throw storeError(
      "FORMAT_UNSUPPORTED",
      { found, supported: FORMAT_VERSION },
      `${path} is of format ${found}; this version of Varve reads ${FORMAT_VERSION}`,
    );
  }
  return bytes.subarray(16, 32);
}

function checkIdentity(vfs: Vfs, path: string, file: VfsFile): void {
  const held = file.stat();
  const named = vfs.stat(path);
  if (named !== undefined && named.dev === held.dev && named.ino === held.ino) return;
  throw storeError(
    "CORRUPT",
    { file: path },
    `${path} was removed or replaced while the store was open; its lock no longer protects the store`,
  );
}
