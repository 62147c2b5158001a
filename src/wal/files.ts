/**
 * Where the log's files are, and the few moves that make, open and read a segment file. It deliberately
 * decides nothing: when a file is made, reused or removed is the supply's or recovery's business.
 *
 * 1. A segment gets its final name only after its zeros and header are synced, and counts only after the
 *    directory is synced. So a file under a final name is whole, whatever a crash left.
 * 2. A recycled file loses its old name, durably, before its old header is overwritten.
 */
import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { isStoreError, storeError } from "../errors.ts";
import { MAINTENANCE_SLICE_BYTES } from "../limits.ts";
import type { Steps } from "../steps.ts";
import type { Vfs, VfsFile } from "../vfs/vfs.ts";
import {
  decodeHeader,
  encodeHeader,
  SEGMENT_FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  segmentNumber,
} from "./segment.ts";
import { TAIL_NAME } from "./tail.ts";

const TEMPORARY = /^(?:spare|recycle)-[0-9]+\.tmp$/;

/** A log on a file system: `directory` is `wal/` itself. */
export interface LogPlace {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly storeId: Uint8Array;
}

/** The store's directory, in which `wal/` is a name and cut tails are kept. */
export function storeDirectory(place: LogPlace): string {
  return posix.dirname(place.directory);
}

export function segmentPath(place: LogPlace, number: number): string {
  return `${place.directory}/${segmentName(number)}`;
}

export function tailPath(place: LogPlace): string {
  return `${place.directory}/${TAIL_NAME}`;
}

/** Numbers of the segment files there, ascending. */
export function listSegments(place: LogPlace): number[] {
  return place.vfs
    .list(place.directory)
    .map(segmentNumber)
    .filter((number) => number !== undefined)
    .sort((left, right) => left - right);
}

/** Bytes of each segment file; `last`, what was last known, where a failing disk does not tell. */
export function segmentSizes(place: LogPlace, last: readonly number[]): readonly number[] {
  try {
    return listSegments(place).map((number) => place.vfs.stat(segmentPath(place, number))?.size ?? 0);
  } catch (error) {
    if (!isStoreError(error, "STORE_IO")) throw error;
    return last;
  }
}

/** Paths of files without a final name: spares half made, and files between two lives. */
export function listTemporaries(place: LogPlace): string[] {
  const { vfs, directory } = place;
  const names = vfs.list(directory).filter((name) => TEMPORARY.test(name));
  return names.map((name) => `${directory}/${name}`);
}

/** Whether that path is a file between two lives: whole, and only in need of a new header and name. */
export function isRecyclable(path: string): boolean {
  return path.includes("/recycle-");
}

/** What identifies a new incarnation of a segment file. */
export interface NewSegment {
  readonly number: number;
  readonly fileBytes: number;
  readonly salt: bigint;
  readonly createdAt: number;
}

/** How new segments are made: size, and what identifies an incarnation. */
export interface SegmentSource {
  readonly segmentBytes: number;
  readonly salt: () => bigint;
  readonly wall: () => number;
}

export function newSegment(source: SegmentSource, number: number, fileBytes: number): NewSegment {
  return { number, fileBytes, salt: source.salt(), createdAt: source.wall() };
}

export function randomSalt(): bigint {
  return randomBytes(8).readBigUInt64LE();
}

/** Called between two slices of zeros, so that a background thread can pace itself. */
export type Pause = (writtenBytes: number) => void;

/** Creates a zero-filled segment under its final name; durable in content and name when this returns. */
export function createSegment(place: LogPlace, segment: NewSegment, pause?: Pause): void {
  // Without a pause nobody else waits for the disk, and one sync at the end is enough.
  const steps = segmentInSteps(place, segment, pause === undefined ? "synced once" : "synced slices");
  for (const _ of steps) pause?.(MAINTENANCE_SLICE_BYTES);
}

/** As `createSegment`, a synced slice of zeros a step. */
export function createSegmentInSteps(place: LogPlace, segment: NewSegment): Steps<void> {
  return segmentInSteps(place, segment, "synced slices");
}

function* segmentInSteps(
  place: LogPlace,
  segment: NewSegment,
  how: "synced once" | "synced slices",
): Steps<void> {
  const temporary = `${place.directory}/spare-${segment.number}.tmp`;
  place.vfs.remove(temporary);
  const file = place.vfs.open(temporary, "create");
  let isWhole = false;
  try {
    const zeros = new Uint8Array(Math.min(MAINTENANCE_SLICE_BYTES, segment.fileBytes));
    for (let at = 0; at < segment.fileBytes; at += zeros.length) {
      if (how === "synced slices" && at > 0) {
        file.datasync();
        yield;
      }
      file.write([zeros.subarray(0, segment.fileBytes - at)], at);
    }
    file.write([headerBytes(place, segment)], 0);
    file.sync();
    isWhole = true;
  } finally {
    file.close();
    if (!isWhole) removeQuietly(place.vfs, temporary);
  }
  place.vfs.rename(temporary, segmentPath(place, segment.number));
  place.vfs.syncDirectory(place.directory);
}

/**
 * Puts a file of these bytes in a segment's place: `unnamed`, one of that size, or a new one. Durable in content
 * and name when this returns. A synced slice a step.
 */
export function* replaceSegment(
  place: LogPlace,
  number: number,
  bytes: Uint8Array,
  unnamed: string | undefined,
): Steps<void> {
  const temporary = unnamed ?? `${place.directory}/spare-${number}.tmp`;
  if (unnamed === undefined) place.vfs.remove(temporary);
  const file = place.vfs.open(temporary, unnamed === undefined ? "create" : "write");
  try {
    for (let at = 0; at < bytes.length; at += MAINTENANCE_SLICE_BYTES) {
      if (at > 0) {
        file.datasync();
        yield;
      }
      file.write([bytes.subarray(at, at + MAINTENANCE_SLICE_BYTES)], at);
    }
    file.sync();
  } catch (error) {
    file.close();
    removeQuietly(place.vfs, temporary);
    throw error;
  }
  file.close();
  place.vfs.rename(temporary, segmentPath(place, number));
  place.vfs.syncDirectory(place.directory);
}

/** Takes a segment's name away, durably; its file can then become another segment. Answers its new path. */
export function unnameSegment(place: LogPlace, number: number): string {
  const temporary = `${place.directory}/recycle-${number}.tmp`;
  place.vfs.rename(segmentPath(place, number), temporary);
  place.vfs.syncDirectory(place.directory);
  return temporary;
}

/** Makes an unnamed file of the right size the new `segment`; durable in content and name when this returns. */
export function recycleSegment(place: LogPlace, unnamed: string, segment: NewSegment): void {
  const file = place.vfs.open(unnamed, "write");
  try {
    // Zeros where the LINK will stand: an unused spare says so, whatever the file held before.
    const zeros = new Uint8Array(SEGMENT_HEADER_BYTES);
    file.write([headerBytes(place, segment), zeros], 0);
    file.sync();
  } catch (error) {
    file.close();
    removeQuietly(place.vfs, unnamed);
    throw error;
  }
  file.close();
  place.vfs.rename(unnamed, segmentPath(place, segment.number));
  place.vfs.syncDirectory(place.directory);
}

/** A segment file's header, or why the file cannot be used. */
export type HeaderCheck =
  | { readonly kind: "header"; readonly header: SegmentHeader }
  | { readonly kind: "bad"; readonly reason: string };

/** Checks header, name, store and size of an open segment file. */
export function checkHeader(place: LogPlace, number: number, file: VfsFile, bytes: Uint8Array): HeaderCheck {
  const decoded = decodeHeader(bytes);
  if (decoded.kind === "newer") {
    throw storeError(
      "FORMAT_UNSUPPORTED",
      { found: decoded.version, supported: SEGMENT_FORMAT_VERSION },
      `${file.path} was written in version ${decoded.version} of the segment format; open it with a newer Varve`,
    );
  }
  if (decoded.kind === "bad") return decoded;
  const { header } = decoded;
  if (!Buffer.from(header.storeId).equals(place.storeId)) return bad("it belongs to another store");
  if (header.number !== number) return bad(`its header says it is segment ${header.number}`);
  const { size } = file.stat();
  if (size !== header.fileBytes) return bad(`it has ${size} bytes and declares ${header.fileBytes}`);
  return { kind: "header", header };
}

/** Opens a segment whose header is right; anything else is CORRUPT. */
export function openSegment(
  place: LogPlace,
  number: number,
  mode: "read" | "write",
): { file: VfsFile; header: SegmentHeader } {
  const file = place.vfs.open(segmentPath(place, number), mode);
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
    const read = file.read(bytes, 0);
    const check = checkHeader(place, number, file, bytes.subarray(0, read));
    if (check.kind === "bad") throw corrupt(file.path, 0, check.reason);
    return { file, header: check.header };
  } catch (error) {
    file.close();
    throw error;
  }
}

export function corrupt(file: string, offset: number | undefined, reason: string): Error {
  const at = offset === undefined ? "" : ` at offset ${offset}`;
  return storeError(
    "CORRUPT",
    offset === undefined ? { file } : { file, offset },
    `${file} is damaged${at}: ${reason}; restore it from a backup, or run a repair`,
  );
}

/** Removes a file that is only in the way: the failure that led here is the one to report. */
export function removeQuietly(vfs: Vfs, path: string): void {
  try {
    vfs.remove(path);
  } catch {
    // It has a temporary name; the next open removes it.
  }
}

function headerBytes(place: LogPlace, segment: NewSegment): Uint8Array {
  return encodeHeader({ ...segment, storeId: place.storeId });
}

function bad(reason: string): HeaderCheck {
  return { kind: "bad", reason };
}
