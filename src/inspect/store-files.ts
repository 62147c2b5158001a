/**
 * The files of a store's directory, told by their names alone: what each is, and what no store makes. Reads
 * no file, so it says the same of a damaged store.
 */
import { storeError } from "../errors.ts";
import { manifestNumber } from "../snapshot/manifest.ts";
import type { Vfs } from "../vfs/vfs.ts";

export type FileKind =
  | "format"
  | "lock"
  | "manifest"
  | "heads"
  | "pack"
  | "segment"
  | "TAIL"
  | "quarantine"
  /** Being written by a job, or the remains of one. */
  | "temporary"
  /** A whole segment file between two lives. */
  | "recycled"
  | "foreign";

export interface StoreFile {
  readonly path: string;
  /** Below the store's directory. */
  readonly name: string;
  readonly kind: FileKind;
  /** In its name: of a manifest, heads file, pack or segment. */
  readonly number: number | undefined;
  readonly bytes: number;
}

/** Folders of a store, and what the files in them are. */
const FOLDERS: Readonly<Record<string, (name: string) => FileKind>> = {
  wal: (name) => {
    if (name === "TAIL") return "TAIL";
    if (/^[0-9a-f]{16}\.wal$/.test(name)) return "segment";
    if (/^recycle-\d+\.tmp$/.test(name)) return "recycled";
    return /^spare-\d+\.tmp$/.test(name) ? "temporary" : "foreign";
  },
  heads: (name) => kindOfNumbered(name, "heads", "heads"),
  blobs: (name) => kindOfNumbered(name, "pack", "pack"),
  quarantine: (name) => (name.endsWith(".torn") ? "quarantine" : "foreign"),
};

/** Every file of the store, sorted by name. NOT_A_STORE when the directory is none, or holds nothing of one. */
export function listStoreFiles(vfs: Vfs, root: string): StoreFile[] {
  if (vfs.stat(root)?.kind !== "directory") {
    const what = vfs.stat(root) === undefined ? "does not exist" : "is not a directory";
    throw storeError("NOT_A_STORE", { path: root }, `${root} ${what}`);
  }
  const files = vfs.list(root).flatMap((name) => {
    const kindIn = Object.hasOwn(FOLDERS, name) ? FOLDERS[name] : undefined;
    if (kindIn === undefined || vfs.stat(`${root}/${name}`)?.kind !== "directory") {
      return name === "lost+found" ? [] : fileAt(vfs, root, name, kindOfRoot(name));
    }
    return vfs
      .list(`${root}/${name}`)
      .flatMap((inner) => fileAt(vfs, root, `${name}/${inner}`, kindIn(inner)));
  });
  if (!files.some(({ kind }) => kind !== "foreign" && kind !== "lock")) {
    throw storeError("NOT_A_STORE", { path: root }, `${root} holds no Varve store`);
  }
  return files;
}

/** A live owner may remove a file between the listing and the look. */
function fileAt(vfs: Vfs, root: string, name: string, kind: FileKind): StoreFile[] {
  const path = `${root}/${name}`;
  const stat = vfs.stat(path);
  if (stat === undefined) return [];
  const isFile = stat.kind === "file";
  return [
    { path, name, kind: isFile ? kind : "foreign", number: numberIn(name), bytes: isFile ? stat.size : 0 },
  ];
}

function kindOfRoot(name: string): FileKind {
  if (name === "format" || name === "lock") return name;
  if (manifestNumber(name) !== undefined) return "manifest";
  return /^manifest-\d{6,}\.tmp$/.test(name) ? "temporary" : "foreign";
}

function kindOfNumbered(name: string, extension: string, kind: FileKind): FileKind {
  const match = /^\d{6,}\.(heads|pack)(\.tmp)?$/.exec(name);
  if (match?.[1] !== extension) return "foreign";
  return match[2] === undefined ? kind : "temporary";
}

function numberIn(name: string): number | undefined {
  const segment = /^wal\/([0-9a-f]{16})\.wal$/.exec(name)?.[1];
  if (segment !== undefined) return Number.parseInt(segment, 16);
  const digits = /^(?:manifest-|heads\/|blobs\/)(\d{6,})(?:\.heads|\.pack)?$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
