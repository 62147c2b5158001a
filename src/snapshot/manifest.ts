/**
 * Manifest files: which heads files and packs make up a snapshot, and where the log goes on from it. A store
 * changes by publishing the next manifest; two are kept. Bytes: magic, version, length, CRC, msgpack body.
 */
import { crc32 } from "../checksum.ts";
import { pack, unpack } from "../codec.ts";
import { isStoreError, storeError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { asArray, asBytes, asNumber } from "../session/record.ts";
import { readWhole, type Vfs } from "../vfs/vfs.ts";
import type { LogStart } from "../wal/log.ts";
import { corruptFile } from "./block-file.ts";

export interface FileEntry {
  /** Number in its name; drawn from `nextFile`, never used twice. */
  readonly number: number;
  /** Size of the file. */
  readonly bytes: number;
  /** Heads or values in it. */
  readonly count: number;
}

export interface Manifest {
  readonly number: number;
  readonly storeId: Uint8Array;
  /** Records above this LSN are in the log from this segment on. */
  readonly log: LogStart;
  /** Oldest first: a later file shadows an earlier one. */
  readonly heads: readonly FileEntry[];
  readonly packs: readonly FileEntry[];
  /** Estimate of the bytes in packs that nothing reaches; exact right after a gc. */
  readonly deadBytes: number;
  /** Number for the next file. */
  readonly nextFile: number;
}

const MAGIC = Buffer.from("VRVMANI\x1a", "latin1");
const VERSION = 1;
const HEADER_BYTES = 24;
const MAX_MANIFEST_BYTES = 64 * MIB;

export function manifestPath(root: string, number: number): string {
  return `${root}/manifest-${String(number).padStart(6, "0")}`;
}
export function headsPath(root: string, number: number): string {
  return `${root}/heads/${String(number).padStart(6, "0")}.heads`;
}
export function packPath(root: string, number: number): string {
  return `${root}/blobs/${String(number).padStart(6, "0")}.pack`;
}

/** The number in the name of a manifest file, or undefined for any other name. */
export function manifestNumber(name: string): number | undefined {
  const match = /^manifest-(\d{6,})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  const { log, number, storeId, heads, packs, deadBytes, nextFile } = manifest;
  const body = pack([
    number,
    storeId,
    [log.segment, log.salt, log.lsn, log.crc],
    heads.map(fileToWire),
    packs.map(fileToWire),
    deadBytes,
    nextFile,
  ]);
  const bytes = Buffer.alloc(HEADER_BYTES + body.length);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(VERSION, 8);
  bytes.writeUInt32LE(body.length, 12);
  bytes.set(body, HEADER_BYTES);
  bytes.writeUInt32LE(crc32(body, crc32(bytes.subarray(0, 16))), 16);
  return bytes;
}

/** Reads and verifies a manifest. Throws CORRUPT, FORMAT_UNSUPPORTED or STORE_IO. */
export function readManifest(vfs: Vfs, root: string, number: number, storeId: Uint8Array): Manifest {
  const path = manifestPath(root, number);
  const bytes = readWhole(vfs, path, MAX_MANIFEST_BYTES);
  if (bytes === undefined)
    throw storeError("STORE_IO", { operation: "open", path, errno: "ENOENT" }, `${path} does not exist`);
  const manifest = decodeManifest(path, Buffer.from(bytes));
  if (manifest.number !== number)
    throw corruptFile(path, 0, `it is manifest ${manifest.number} by another name`);
  if (Buffer.compare(manifest.storeId, storeId) !== 0)
    throw corruptFile(path, 0, "it belongs to another store");
  return manifest;
}

export function decodeManifest(path: string, bytes: Buffer): Manifest {
  if (bytes.length < HEADER_BYTES) throw corruptFile(path, 0, `it has only ${bytes.length} bytes`);
  if (!bytes.subarray(0, 8).equals(MAGIC)) throw corruptFile(path, 0, "its magic is wrong");
  const length = bytes.readUInt32LE(12);
  if (bytes.length !== HEADER_BYTES + length) throw corruptFile(path, 12, "its length is wrong");
  const body = bytes.subarray(HEADER_BYTES);
  if (bytes.readUInt32LE(16) !== crc32(body, crc32(bytes.subarray(0, 16))))
    throw corruptFile(path, 16, "it fails its checksum");
  if (bytes.readUInt32LE(20) !== 0) throw corruptFile(path, 20, "bytes that must be zero are not");
  const found = bytes.readUInt16LE(8);
  if (found !== VERSION) {
    throw storeError(
      "FORMAT_UNSUPPORTED",
      { found, supported: VERSION },
      `${path} is of version ${found}; this Varve reads ${VERSION}`,
    );
  }
  try {
    return manifestFromWire(unpack(body));
  } catch (error) {
    if (isStoreError(error)) throw error;
    throw corruptFile(path, HEADER_BYTES, `it cannot be decoded: ${(error as Error).message}`);
  }
}

function manifestFromWire(value: unknown): Manifest {
  const wire = asArray(value, "manifest");
  const log = asArray(wire[2], "log start");
  const salt = log[1];
  if (typeof salt !== "bigint") throw new Error("salt is not a bigint");
  return {
    number: asNumber(wire[0], "number"),
    storeId: asBytes(wire[1], "store id"),
    log: {
      segment: asNumber(log[0], "segment"),
      salt,
      lsn: asNumber(log[2], "LSN"),
      crc: asNumber(log[3], "CRC"),
    },
    heads: asArray(wire[3], "heads").map(fileFromWire),
    packs: asArray(wire[4], "packs").map(fileFromWire),
    deadBytes: asNumber(wire[5], "dead bytes"),
    nextFile: asNumber(wire[6], "next file"),
  };
}

function fileToWire({ number, bytes, count }: FileEntry): number[] {
  return [number, bytes, count];
}
function fileFromWire(value: unknown): FileEntry {
  const wire = asArray(value, "file");
  return {
    number: asNumber(wire[0], "number"),
    bytes: asNumber(wire[1], "bytes"),
    count: asNumber(wire[2], "count"),
  };
}
