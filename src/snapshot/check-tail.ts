/**
 * The part of verification behind the snapshot: the log's records are applied to the heads, as a fold and a
 * load would, so that what could not be loaded tomorrow is found today. One session is in memory at a time.
 * That the log's frames are whole was checked before; blobs are looked for, and read only by the fold.
 */
import type { VerifyProblem } from "../contract.ts";
import { isStoreError } from "../errors.ts";
import type { BlobRef, Lsn } from "../ids.ts";
import { apply } from "../session/apply.ts";
import { decodeRecord, type SessionRecord } from "../session/record.ts";
import { emptySession, type SessionState } from "../session/state.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { scanLog } from "../wal/log.ts";
import { NO_OLDER } from "./head-state.ts";
import type { SnapshotView } from "./view.ts";

interface Placed {
  readonly lsn: Lsn;
  readonly record: SessionRecord;
  readonly file: string;
  readonly offset: number;
}

interface TailRecords {
  readonly sessions: Map<string, Placed[]>;
  readonly blobs: Set<BlobRef>;
}

export function checkTail(vfs: Vfs, view: SnapshotView): VerifyProblem[] {
  const problems: VerifyProblem[] = [];
  const tail = readTail(vfs, view, problems);
  for (const [sessionId, records] of tail.sessions) {
    let placed = records[0];
    try {
      let state = view.loadState(sessionId, NO_OLDER) ?? emptySession(sessionId, 0);
      for (placed of records) if (placed.lsn > state.lastLsn) state = apply(state, placed.record, placed.lsn);
      for (const ref of refsOf(state)) {
        if (tail.blobs.has(ref) || view.blobInfo(ref) !== undefined) continue;
        const damage = view.damageHiding(ref);
        if (damage === undefined) throw new Error(`blob ${ref} is neither in the log nor in a pack`);
        const { file, offset, code, message } = damage;
        problems.push({ file, ...(offset === undefined ? {} : { offset }), sessionId, code, message });
      }
    } catch (error) {
      // What the snapshot itself cannot give was reported with its own file and place.
      if (placed === undefined || isStoreError(error)) continue;
      const { file, offset, lsn } = placed;
      const message = `${file} at ${offset}: LSN ${lsn} of session "${sessionId}": ${(error as Error).message}`;
      problems.push({ file, offset, sessionId, code: "CORRUPT", message });
    }
  }
  return problems;
}

function readTail(vfs: Vfs, { root, manifest }: SnapshotView, problems: VerifyProblem[]): TailRecords {
  const tail: TailRecords = { sessions: new Map(), blobs: new Set() };
  const directory = `${root}/wal`;
  scanLog(vfs, directory, manifest.storeId, manifest.log, undefined, (lsn, segment, offset, payload) => {
    const file = `${directory}/${segment.toString(16).padStart(16, "0")}.wal`;
    try {
      const record = decodeRecord(payload);
      if (record.kind === "blob") return void tail.blobs.add(record.ref);
      if (record.kind === "commit") tail.blobs.add(record.checkpointRef);
      const records = tail.sessions.get(record.sessionId) ?? [];
      records.push({ lsn, record, file, offset });
      tail.sessions.set(record.sessionId, records);
    } catch (error) {
      const message = `${file} at ${offset}: its record cannot be read: ${(error as Error).message}`;
      problems.push({ file, offset, code: "CORRUPT", message });
    }
  });
  return tail;
}

function refsOf({ head }: SessionState): BlobRef[] {
  if (head === undefined) return [];
  const { toolState, pluginSnapshot, executionState } = head.refs;
  return [head.checkpointRef, toolState, pluginSnapshot, executionState].filter((ref) => ref !== undefined);
}
