/**
 * What the main thread asks a worker to do, and what comes back. Plain data: it crosses threads. Every file
 * a task makes has the suffix `.tmp` until a publication renames it, so a worker may be killed anywhere.
 */

import type { VerifyProblem } from "../contract.ts";
import type { Lsn } from "../ids.ts";
import type { LogStart } from "../wal/log.ts";
import type { FileEntry, Manifest } from "./manifest.ts";
import type { BlobCompression } from "./pack.ts";
import type { Listing } from "./retention.ts";

/** A file made by a task, to be renamed by the publication. */
export interface NewFile {
  readonly temporary: string;
  readonly final: string;
}

/** A change of the manifest, to be published as one. */
export interface Edit {
  readonly newFiles: readonly NewFile[];
  readonly heads: readonly FileEntry[];
  readonly packs: readonly FileEntry[];
  readonly log: LogStart;
  readonly deadBytes: number;
  readonly nextFile: number;
}

export interface FoldInput {
  readonly root: string;
  readonly manifest: Manifest;
  /** Fold exactly the sealed segments before this start. */
  readonly until: LogStart;
  readonly receiptsKept: number;
  readonly compression: BlobCompression;
  /** Numbers of packs that a running gc has yet to sweep: they are not merged. */
  readonly packsLeftAlone: readonly number[];
}
export interface FoldOutput {
  readonly edit: Edit;
  readonly sessions: number;
  readonly foldedBytes: number;
  readonly lastLsn: Lsn;
}

export interface MarkInput {
  readonly root: string;
  readonly manifest: Manifest;
}
export interface Marks {
  readonly rootCount: number;
  readonly retainedBlobCount: number;
  /** Per pack number, one bit an entry: reached by a head. */
  readonly live: ReadonlyMap<number, Uint8Array>;
  /** Packs with dead entries, in slices. */
  readonly slices: readonly (readonly number[])[];
}

export interface SweepInput {
  readonly root: string;
  readonly manifest: Manifest;
  /** Numbers of packs to rewrite without their dead entries. */
  readonly packs: readonly number[];
  readonly live: ReadonlyMap<number, Uint8Array>;
  /** Digests of values that are not marked and were used since, 32 bytes each: they stay as well. */
  readonly used: Uint8Array;
}
export interface SweepOutput {
  readonly edit: Edit;
  /** Digests of the values left out, 32 bytes each, ascending. */
  readonly dead: Uint8Array;
  /** Blobs of the contract among them. */
  readonly deletedBlobCount: number;
  readonly freedBytes: number;
}

export interface MergeHeadsInput {
  readonly root: string;
  readonly manifest: Manifest;
}

export interface PublishInput {
  readonly root: string;
  readonly manifest: Manifest;
  readonly newFiles: readonly NewFile[];
}
/**
 * `poison`: the failure came at or after the rename of the manifest, so nobody knows which one counts; or a
 * directory could not be synced, and no later sync of it can be trusted.
 */
export type PublishOutput =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly poison: boolean;
      readonly message: string;
      readonly errno: string;
      readonly path: string;
    };

export interface ListInput {
  readonly root: string;
}
export interface RemoveInput {
  readonly paths: readonly string[];
}
export interface CheckInput {
  readonly root: string;
  readonly manifest: Manifest;
}

export interface Tasks {
  readonly fold: (input: FoldInput) => FoldOutput;
  readonly mark: (input: MarkInput) => Marks;
  readonly sweep: (input: SweepInput) => SweepOutput;
  readonly mergeHeads: (input: MergeHeadsInput) => Edit;
  readonly publish: (input: PublishInput) => PublishOutput;
  /** The store's files, for the main thread to decide which may go. */
  readonly list: (input: ListInput) => Listing;
  readonly remove: (input: RemoveInput) => null;
  readonly check: (input: CheckInput) => VerifyProblem[];
}
export type TaskName = keyof Tasks;
