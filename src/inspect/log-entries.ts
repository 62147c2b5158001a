/**
 * The log as a list of what lies in it: segments, frames with what their records say, and holes, in the order
 * of the files. Goes on behind damage. What it tells of a hole is evidence, not recovery's decision.
 */
import type { Lsn } from "../ids.ts";
import { decodeRecord, type LogRecord } from "../session/record.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { type Frame, FrameType, payloadOf } from "../wal/frame.ts";
import { newestTail, readTail } from "../wal/tail.ts";
import { type Hole, type WalkedSegment, walkLog } from "../wal/walk.ts";
import { identifyStore } from "./store-id.ts";

export type EntryType = LogRecord["kind"] | "link" | "seal" | "unreadable" | "skippable";

export interface SegmentEntry {
  readonly kind: "segment";
  readonly segment: number;
  readonly file: string;
  readonly bytes: number;
  /** "spare": ready, and nothing was written into it. */
  readonly state: "first" | "linked" | "spare" | "damaged";
  readonly problem?: string;
}

export interface FrameEntry {
  readonly kind: "frame";
  readonly segment: number;
  readonly file: string;
  readonly offset: number;
  readonly lsn: Lsn;
  /** Last LSN on stable storage when it was written. */
  readonly durableLsn: Lsn;
  readonly crc: string;
  readonly type: EntryType;
  readonly frameBytes: number;
  readonly payloadBytes: number;
  readonly framesLeft: number;
  readonly session?: string;
  readonly revision?: number;
  /** More about the record, by its type. */
  readonly detail: Readonly<Record<string, string | number>>;
}

export interface HoleEntry {
  readonly kind: "hole";
  readonly segment: number;
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** "torn": begun and never proven durable. "corrupt": something durable stood there. */
  readonly verdict: "torn" | "corrupt";
  readonly firstLsn: Lsn;
  /** Of the records that stood there, as far as the next frame tells. */
  readonly lastLsn?: Lsn;
  readonly flippedBit?: { readonly offset: number; readonly bit: number };
  /** What one flipped bit back would make of it. */
  readonly was?: Pick<FrameEntry, "type" | "session" | "revision" | "detail">;
}

export type LogEntry = SegmentEntry | FrameEntry | HoleEntry;

export function* logEntries(vfs: Vfs, root: string): Generator<LogEntry> {
  const { storeId } = identifyStore(vfs, root);
  const place = { vfs, directory: `${root}/wal`, storeId };
  const tail = newestTail(readTail(vfs, `${root}/wal/TAIL`, storeId));
  const salts = new Map(tail === undefined ? [] : [[tail.segment, tail.salt]]);
  let first = true;
  for (const walked of walkLog(place, salts)) {
    yield segmentEntry(walked, first);
    first = false;
    yield* inOrder(walked, tail?.lsn ?? 0);
  }
}

function segmentEntry(walked: WalkedSegment, isFirst: boolean): SegmentEntry {
  const { number: segment, path: file, size: bytes, header, problem, link, frames, holes } = walked;
  const isEmpty = frames.length === 0 && holes.length === 0;
  const unlinked = isFirst ? "first" : isEmpty ? "spare" : "damaged";
  const state = header === undefined ? "damaged" : link === undefined ? unlinked : "linked";
  return { kind: "segment", segment, file, bytes, state, ...(problem === undefined ? {} : { problem }) };
}

function* inOrder(walked: WalkedSegment, tailLsn: Lsn): Generator<FrameEntry | HoleEntry> {
  const holes = [...walked.holes];
  for (const frame of walked.frames) {
    for (let hole = holes[0]; hole !== undefined && hole.offset < frame.offset; hole = holes[0]) {
      yield holeEntry(walked, hole, tailLsn);
      holes.shift();
    }
    yield frameEntry(walked, frame);
  }
  for (const hole of holes) yield holeEntry(walked, hole, tailLsn);
}

function frameEntry({ number: segment, path: file, image }: WalkedSegment, frame: Frame): FrameEntry {
  const { offset, lsn, durable: durableLsn, crc, end, payloadBytes, framesLeft } = frame;
  return {
    kind: "frame",
    segment,
    file,
    offset,
    lsn,
    durableLsn,
    crc: crc.toString(16).padStart(8, "0"),
    frameBytes: end - offset,
    payloadBytes,
    framesLeft,
    ...describe(frame.type, payloadOf(image, frame)),
  };
}

function holeEntry(walked: WalkedSegment, hole: Hole, tailLsn: Lsn): HoleEntry {
  const { number: segment, path: file } = walked;
  const { offset, end, before = 0, behind, flippedBit, mended } = hole;
  const durable = Math.max(walked.durable, tailLsn, behind === undefined ? 0 : walked.durable);
  return {
    kind: "hole",
    segment,
    file,
    offset,
    bytes: end - offset,
    verdict: durable > before ? "corrupt" : "torn",
    firstLsn: before + 1,
    ...(behind === undefined ? {} : { lastLsn: Math.max(before + 1, behind - 1) }),
    ...(flippedBit === undefined ? {} : { flippedBit }),
    ...(mended === undefined ? {} : { was: describe(FrameType.data, mended) }),
  };
}

type Described = Pick<FrameEntry, "type" | "session" | "revision" | "detail">;

function describe(type: number, payload: Uint8Array): Described {
  if (type === FrameType.link) return { type: "link", detail: {} };
  if (type === FrameType.seal) return { type: "seal", detail: {} };
  if (type !== FrameType.data) return { type: "skippable", detail: { frameType: type } };
  try {
    return describeRecord(decodeRecord(payload));
  } catch (error) {
    return { type: "unreadable", detail: { problem: (error as Error).message } };
  }
}

function describeRecord(record: LogRecord): Described {
  switch (record.kind) {
    case "blob": {
      const { ref, blobKind, size, at, data } = record;
      return { type: "blob", detail: { blob: blobKind, ref, bytes: data.length, at, of: size } };
    }
    case "commit": {
      const { sessionId: session, revision, graph, operation, leafNodeId } = record;
      const nodes =
        graph.kind === "unchanged"
          ? 0
          : graph.kind === "append"
            ? graph.nodes.length
            : graph.steps.filter(({ kind }) => kind === "node").length;
      return {
        type: "commit",
        session,
        revision,
        detail: {
          graph: graph.kind,
          nodes,
          ...(leafNodeId === undefined ? {} : { leaf: leafNodeId }),
          ...(operation === undefined ? {} : { operation: operation.id }),
        },
      };
    }
    case "meta":
      return { type: "meta", session: record.sessionId, detail: { name: record.meta.sessionName } };
    case "tombstone":
      return { type: "tombstone", session: record.sessionId, detail: { nodes: record.nodeIds.length } };
    case "vacuum":
    case "delete":
      return { type: record.kind, session: record.sessionId, detail: {} };
  }
}
