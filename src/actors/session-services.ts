/** What a session's actor needs of the store around it. Types only. */
import type { StoreError } from "../errors.ts";
import type { BlobRef } from "../ids.ts";
import type { NodeTable } from "../session/node-table.ts";
import type { CommitPlanOptions } from "../session/plan.ts";
import type { RecentBodies } from "../session/recent-bodies.ts";
import type { BlobKind, SessionRecord } from "../session/record.ts";
import type { SessionState } from "../session/state.ts";
import type { Steps } from "../steps.ts";
import type { NewBlob } from "./blob-frames.ts";
import type { Write } from "./log-writer.ts";
import type { Done } from "./long-work.ts";
import type { SessionCell } from "./session.ts";

export interface SessionServices {
  /** Where the bodies of what is committed go, if they go together. */
  readonly recent: RecentBodies | undefined;
  /** The session's durable state from snapshot and log; "outlined" if it may be without bodies. Throws CORRUPT. */
  load(sessionId: string, nodes: "all" | "outlined"): Steps<SessionState>;
  /** The same for a commit, if it can be answered at once. */
  loadAtOnce(sessionId: string): SessionState | undefined;
  /** Brings back the bodies that the nodes of the session's durable state have shed. Throws as `load` does. */
  bringBack(sessionId: string, nodes: NodeTable): Steps<void>;
  /** Runs a load over as many turns as it has steps, the first step now. */
  runLoad<Value>(load: Steps<Value>, done: (ended: Done<Value>) => void): void;
  /** So many bytes more, or less, wait for their session to be loaded, or its bodies to be back. */
  waits(bytes: number): void;
  blobKind(ref: BlobRef): BlobKind | undefined;
  /** The damage behind which a blob may lie that was not found, if there is any. */
  damageHiding(ref: BlobRef, sessionId: string): StoreError | undefined;
  /** Tells a running gc that these blobs are named by a commit; called before their existence is tested. */
  pin(refs: readonly BlobRef[]): void;
  append(write: Write, record: SessionRecord, blobs: readonly NewBlob[]): void;
  /** Calls back when everything appended so far is durable. */
  after(settle: (error: StoreError | undefined) => void): void;
  /** Ends the store: its log and its state in memory disagree. Whatever is in flight is answered. */
  poison(error: StoreError): void;
  /** The session's memory or liveness changed. */
  changed(cell: SessionCell): void;
  committed(): void;
  readonly planOptions: CommitPlanOptions;
}
