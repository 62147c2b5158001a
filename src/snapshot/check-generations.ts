/**
 * Two generations against each other: the older heads and the log between must give the newer heads, in every
 * field and node. A fold that forgot something, or a head that changed, is found here and nowhere else.
 */
import { sha256Hex } from "../checksum.ts";
import { pack } from "../codec.ts";
import type { VerifyProblem } from "../contract.ts";
import type { Lsn } from "../ids.ts";
import { apply } from "../session/apply.ts";
import { decodeRecord, type SessionRecord } from "../session/record.ts";
import { emptySession, isLive, type SessionState } from "../session/state.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { scanLog } from "../wal/log.ts";
import { corruptFile } from "./block-file.ts";
import { Problems } from "./check.ts";
import { encodeHead, nodeItem } from "./head.ts";
import { NO_OLDER } from "./head-state.ts";
import { headsPath, type Manifest } from "./manifest.ts";
import { SnapshotView } from "./view.ts";

interface Placed {
  readonly lsn: Lsn;
  readonly record: SessionRecord;
}

export function checkGenerations(vfs: Vfs, root: string, older: Manifest, newer: Manifest): VerifyProblem[] {
  const problems = new Problems();
  problems.guard(`${root}/wal`, undefined, () => {
    const records = recordsBetween(vfs, root, older, newer);
    const before = SnapshotView.open(vfs, root, older);
    try {
      const after = SnapshotView.open(vfs, root, newer);
      try {
        const ids = new Set([
          ...records.keys(),
          ...[...before.list(), ...after.list()].map(({ sessionId }) => sessionId),
        ]);
        const file = headsPath(root, newer.heads.at(-1)?.number ?? 0);
        for (const id of ids) {
          problems.guard(file, id, () => {
            if (leadsTo(before, records.get(id) ?? [], after, id)) return;
            const problem = `the head of session "${id}" is not what manifest ${older.number} and the log behind it make`;
            throw corruptFile(file, 0, problem, id);
          });
        }
      } finally {
        after.release();
      }
    } finally {
      before.release();
    }
  });
  return problems.found;
}

function recordsBetween(vfs: Vfs, root: string, older: Manifest, newer: Manifest): Map<string, Placed[]> {
  const sessions = new Map<string, Placed[]>();
  // Two publications without a fold between them (of a gc) begin the log at one place.
  if (older.log.segment === newer.log.segment) return sessions;
  scanLog(vfs, `${root}/wal`, older.storeId, older.log, newer.log, (lsn, _segment, _offset, payload) => {
    const record = decodeRecord(payload);
    if (record.kind === "blob") return;
    const records = sessions.get(record.sessionId);
    if (records === undefined) sessions.set(record.sessionId, [{ lsn, record }]);
    else records.push({ lsn, record });
  });
  return sessions;
}

function leadsTo(before: SnapshotView, records: readonly Placed[], after: SnapshotView, id: string): boolean {
  const result = after.head(id);
  if (records.length === 0) {
    const start = before.head(id);
    if (start === undefined || result === undefined) return start === result;
    return Buffer.compare(encodeHead(start), encodeHead(result)) === 0;
  }
  let state = before.loadState(id, NO_OLDER) ?? emptySession(id, 0);
  for (const { lsn, record } of records) if (lsn > state.lastLsn) state = apply(state, record, lsn);
  const found = after.loadState(id, NO_OLDER);
  return found !== undefined && fingerprint(state) === fingerprint(found);
}

const UNPAGED = {
  nodes: [],
  receipts: [],
  removals: [],
  oldestCopy: 0,
  outline: undefined,
  index: undefined,
};

/** Everything a session is, receipts and removals apart, as one hash. */
function fingerprint(state: SessionState): string {
  const { sessionId, deleted, head, meta, picker, ledger, lastCommitLsn, lastLsn, hiddenCount } = state;
  const stored = { sessionId, deleted, head, meta, picker, ledger, lastCommitLsn, lastLsn, hiddenCount };
  const items = state.nodes.entries
    .slice(0, state.length)
    .map((entry, slot) => nodeItem(entry, !isLive(state, slot)));
  return sha256Hex(Buffer.concat([encodeHead({ ...stored, ...UNPAGED }), pack(items)]));
}
