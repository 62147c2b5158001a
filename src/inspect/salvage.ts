/**
 * What can be saved of a store: all files it still has, whatever their state, and for each session the newest
 * state that can be shown to have existed. Reads only; what is written from it is `salvage-write.ts`.
 *
 * 1. Every head of a session in any readable file is a candidate; a whole state of the highest revision wins.
 * 2. A session with a deletion anywhere stays deleted.
 */
import { type StoreError, toStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import type { Manifest } from "../snapshot/manifest.ts";
import { headsPath, readManifest } from "../snapshot/manifest.ts";
import { SalvagedHeads } from "../snapshot/salvage-heads.ts";
import {
  type HeadCandidate,
  type LsnGap,
  type SalvagedSession,
  salvageSession,
} from "../snapshot/salvage-session.ts";
import { SalvagedValues } from "../snapshot/salvage-values.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { SalvagedLog } from "./salvage-log.ts";
import { listStoreFiles, type StoreFile } from "./store-files.ts";
import { identifyStore } from "./store-id.ts";

/** What is left of one session. */
export type SavedSession =
  | {
      readonly kind: "deleted";
      readonly sessionId: string;
      readonly lastLsn: Lsn;
      readonly lastCommitLsn: Lsn;
    }
  | {
      readonly kind: "saved";
      readonly sessionId: string;
      readonly saved: SalvagedSession;
      readonly newestRevision: number;
    }
  | {
      readonly kind: "lost";
      readonly sessionId: string;
      readonly newestRevision: number;
      readonly because: string;
    };

export class Salvage {
  readonly problems: { readonly file: string; readonly offset?: number; readonly message: string }[] = [];
  readonly log: SalvagedLog;
  readonly values: SalvagedValues;
  /** Valid ones, newest first. */
  readonly manifests: readonly Manifest[];
  readonly #heads: ReadonlyMap<number, SalvagedHeads>;

  constructor(vfs: Vfs, root: string) {
    const { storeId, problem } = identifyStore(vfs, root);
    if (problem !== undefined) this.#note(problem);
    const files = listStoreFiles(vfs, root);
    this.manifests = this.#readManifests(vfs, root, files, storeId);
    this.#heads = openHeads(vfs, files, storeId);
    const salts = new Map(this.manifests.map(({ log }) => [log.segment, log.salt]));
    this.log = new SalvagedLog(vfs, root, storeId, salts);
    const packs = files.filter(({ kind }) => kind === "pack").reverse();
    const numbered = packs.map(({ path, number = 0 }) => ({ path, number }));
    this.values = new SalvagedValues(vfs, numbered, storeId, (ref) => this.log.blob(ref));
    for (const heads of this.#heads.values()) for (const each of heads.problems) this.#note(each);
    for (const manifest of this.manifests) {
      for (const { number } of manifest.heads) {
        if (!this.#heads.has(number))
          this.problems.push({ file: headsPath(root, number), message: "it is missing" });
      }
    }
    this.problems.push(...this.log.problems);
  }

  close(): void {
    for (const heads of this.#heads.values()) heads.close();
    this.values.close();
  }

  /** Every id that is known, in no order. */
  sessionIds(): Set<string> {
    const ids = new Set<string>(this.log.sessions);
    for (const heads of this.#heads.values()) for (const id of heads.ids) ids.add(id);
    return ids;
  }

  /** Up to here nothing is missing, whatever the log has lost: a snapshot whose heads can all be read. */
  get coveredLsn(): Lsn {
    const whole = this.manifests.find((manifest) =>
      manifest.heads.every(({ number }) => this.#heads.get(number)?.isWhole === true),
    );
    if (whole !== undefined) return whole.log.lsn;
    const files = [...this.#heads.values()];
    if (this.manifests.length > 0 || !files.every(({ isWhole }) => isWhole)) return 0;
    // No manifest says how far they reach; their heads do.
    return this.lastHeadLsn;
  }

  /** Highest LSN in any head. */
  get lastHeadLsn(): Lsn {
    let last = 0;
    for (const heads of this.#heads.values()) {
      for (const id of heads.ids) {
        const found = heads.get(id);
        if (found.kind === "head") last = Math.max(last, found.head.lastLsn);
      }
    }
    return last;
  }

  /** Gaps that no whole snapshot covers: records in them are lost. */
  get lostGaps(): LsnGap[] {
    const covered = this.coveredLsn;
    return this.log.gaps
      .filter(({ last }) => last > covered)
      .map((gap) => ({ ...gap, first: Math.max(gap.first, covered + 1) }));
  }

  session(sessionId: string): SavedSession {
    const { candidates, newestRevision: inHeads, error } = this.#candidatesOf(sessionId);
    const newestRevision = Math.max(inHeads, this.log.revisionOf(sessionId));
    const deleted = candidates.find(({ head }) => head?.deleted === true)?.head;
    if (deleted !== undefined) {
      const { lastLsn, lastCommitLsn } = deleted;
      return { kind: "deleted", sessionId, lastLsn, lastCommitLsn };
    }
    const deletion = this.log.deletionOf(sessionId);
    if (deletion !== undefined) {
      const lastCommitLsn = Math.max(0, ...candidates.map(({ head }) => head?.lastCommitLsn ?? 0));
      return { kind: "deleted", sessionId, lastLsn: deletion, lastCommitLsn };
    }
    const records = this.log.recordsOf(sessionId);
    let best: SalvagedSession | undefined;
    for (const candidate of candidates) {
      const saved = salvageSession(sessionId, candidate, records, this.log.gaps, this.values);
      if (candidate.isGuess && saved.state.head === undefined) continue;
      if (best === undefined || isBetter(saved, best)) best = saved;
      // The usual case: the newest head and all its records are there.
      if (isComplete(best, newestRevision)) break;
    }
    if (
      best !== undefined &&
      (best.state.head !== undefined || (best.state.meta !== undefined && newestRevision === 0))
    )
      return { kind: "saved", sessionId, saved: best, newestRevision };
    const because = error?.message ?? best?.stoppedBy ?? "nothing of it can be read";
    return { kind: "lost", sessionId, newestRevision, because };
  }

  #candidatesOf(sessionId: string): Candidates {
    const candidates: HeadCandidate[] = [];
    let error: StoreError | undefined;
    let newestRevision = 0;
    const seen = new Set<number>();
    let isUncertain = this.manifests.length === 0;
    const take = (heads: SalvagedHeads, exactAt: Lsn): Answer => {
      seen.add(heads.number);
      const found = heads.get(sessionId);
      if (found.kind === "unreadable") error ??= found.error;
      if (found.kind !== "head") return found.kind;
      newestRevision = Math.max(newestRevision, found.head.head?.revision ?? 0);
      candidates.push({ head: found.head, exactAt: Math.max(exactAt, found.head.lastLsn), isGuess: false });
      return "found";
    };
    for (const { heads, log } of this.manifests) {
      let exactAt = log.lsn;
      let answer: Answer = "absent";
      for (const { number } of [...heads].reverse()) {
        const file = this.#heads.get(number);
        answer = file === undefined ? "unreadable" : take(file, exactAt);
        // A newer file may have had it: what an older one says is old.
        if (answer === "unreadable") [exactAt, isUncertain] = [0, true];
        if (answer === "found") break;
      }
      const isAbsent = answer === "absent" && (exactAt > 0 || log.lsn === 0);
      if (isAbsent) candidates.push({ head: undefined, exactAt: log.lsn, isGuess: false });
    }
    for (const file of this.#heads.values()) if (!seen.has(file.number)) take(file, 0);
    if (isUncertain) candidates.push({ head: undefined, exactAt: 0, isGuess: true });
    return { candidates: newestFirst(candidates), newestRevision, error };
  }

  #readManifests(vfs: Vfs, root: string, files: readonly StoreFile[], storeId: Uint8Array): Manifest[] {
    const found = files.filter(({ kind }) => kind === "manifest").reverse();
    return found.flatMap(({ number = 0 }) => {
      try {
        return [readManifest(vfs, root, number, storeId)];
      } catch (error) {
        this.#note(toStoreError(error));
        return [];
      }
    });
  }

  #note(error: StoreError): void {
    const file = error.code === "CORRUPT" ? error.file : error.code === "STORE_IO" ? error.path : "";
    const offset = error.code === "CORRUPT" && error.offset !== undefined ? { offset: error.offset } : {};
    this.problems.push({ file, ...offset, message: error.message });
  }
}

type Answer = "found" | "absent" | "unreadable";

interface Candidates {
  readonly candidates: readonly HeadCandidate[];
  readonly newestRevision: number;
  readonly error: StoreError | undefined;
}

/** Deletions first: they end every question. Candidates without a head last. */
function newestFirst(candidates: readonly HeadCandidate[]): HeadCandidate[] {
  const rank = ({ head, exactAt }: HeadCandidate): number =>
    head === undefined
      ? -1
      : head.deleted
        ? Number.POSITIVE_INFINITY
        : Math.max(head.lastLsn, 0) + (exactAt > head.lastLsn ? 0.5 : 0);
  return [...candidates].sort((a, b) => rank(b) - rank(a) || b.exactAt - a.exactAt);
}

/** Nodes of the state of which the page is gone. */
export function lostNodesOf({ state, lostSlots }: SalvagedSession): number {
  if (lostSlots.size === 0) return 0;
  return state.nodes.entries.slice(0, state.length).filter(({ id }) => lostSlots.has(id)).length;
}

function isWhole(saved: SalvagedSession): boolean {
  return saved.missingBlobs.length === 0 && lostNodesOf(saved) === 0;
}

function isComplete(saved: SalvagedSession, newestRevision: number): boolean {
  const revision = saved.state.head?.revision ?? 0;
  return (
    isWhole(saved) &&
    saved.lostReceipts === 0 &&
    !saved.isBehindGap &&
    saved.stoppedBy === undefined &&
    revision >= newestRevision
  );
}

/** A whole state before one with losses; then the higher revision, the later record, the fewer losses. */
function isBetter(saved: SalvagedSession, than: SalvagedSession): boolean {
  const order = [
    Number(isWhole(saved)) - Number(isWhole(than)),
    (saved.state.head?.revision ?? 0) - (than.state.head?.revision ?? 0),
    saved.reachedLsn - than.reachedLsn,
    lostNodesOf(than) - lostNodesOf(saved),
    than.missingBlobs.length - saved.missingBlobs.length,
    than.lostReceipts - saved.lostReceipts,
    Number(than.isBehindGap) - Number(saved.isBehindGap),
  ];
  return (order.find((difference) => difference !== 0) ?? 0) > 0;
}

function openHeads(vfs: Vfs, files: readonly StoreFile[], storeId: Uint8Array): Map<number, SalvagedHeads> {
  const found = files.filter(({ kind }) => kind === "heads");
  return new Map(
    found.map(({ path, number = 0 }) => [number, new SalvagedHeads(vfs, path, { storeId, number })]),
  );
}
