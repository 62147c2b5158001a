/**
 * The words of a history: what was asked of a store, what it answered, and what happened to the store, in
 * the order in which it happened. Plain data in fingerprints; `record.ts` makes it from the contract's values.
 */
import type { SyncPolicy } from "../../contract.ts";
import type { StoreErrorCode } from "../../errors.ts";
import type { GraphPolicy } from "../../session/types.ts";

export interface NodeSeen {
  readonly id: string;
  readonly parent: string | undefined;
  /** Fingerprint of everything else. */
  readonly body: string;
  /** Text for the picker; undefined if the node is no user message that counts. */
  readonly userText: string | undefined;
}

export const COMPONENTS = ["toolState", "pluginSnapshot", "executionState"] as const;
export type ComponentName = (typeof COMPONENTS)[number];

/** A component that a commit names: its address, and its value if it was sent. */
export interface ComponentSent {
  readonly ref: string;
  readonly value: string | undefined;
}

export interface UsageSeen {
  readonly key: string;
  /** Input, output, cached, reasoning. */
  readonly counters: readonly [number, number, number, number];
}

export interface CommitCall {
  readonly kind: "commit";
  readonly expected: number | undefined;
  readonly operationId: string | undefined;
  /** Fingerprint of every field but the operation id. */
  readonly content: string;
  readonly config: string;
  readonly graph: "unchanged" | "append" | "replaceFull";
  readonly nodes: readonly NodeSeen[];
  readonly leaf: string | undefined;
  /** Turn state and plugin revision. */
  readonly turn: string;
  readonly components: { readonly [Name in ComponentName]?: ComponentSent };
  readonly usage: readonly UsageSeen[];
}

export interface MetaSeen {
  readonly value: string;
  readonly cwd: string | undefined;
  readonly parent: string | undefined;
}

/** Writes of one session. */
export type WriteCall =
  | CommitCall
  | { readonly kind: "tombstone"; readonly ids: readonly string[] }
  | { readonly kind: "vacuum" }
  | { readonly kind: "saveMeta"; readonly meta: MetaSeen }
  | { readonly kind: "delete" };

/** Reads of one session; of a view beside the owner if it names one. */
export type ReadCall =
  | {
      readonly kind: "load";
      /** Of the changes since a revision only what they bring is judged, not what was left out. */
      readonly scope: "fullGraph" | "activePath" | "changesSince";
      readonly leaf: string | undefined;
      readonly limit?: number;
      readonly view?: number;
    }
  | { readonly kind: "loadHeadMeta"; readonly view?: number }
  /** Nodes one at a time: of a path, leaf first, or of the whole graph. */
  | {
      readonly kind: "iterate";
      readonly over: "path" | "graph";
      readonly leaf: string | undefined;
      readonly view?: number;
    }
  | { readonly kind: "loadNode"; readonly node: string; readonly view?: number }
  | { readonly kind: "loadMeta"; readonly view?: number };

/** Calls about the whole store. `view` takes a moment for a view: an opening or a refresh. */
export type StoreCall =
  | {
      readonly kind: "list";
      readonly includeChildren: boolean;
      /** Only a part was asked for, so a missing session proves nothing. */
      readonly partial: boolean;
      readonly view?: number;
    }
  | { readonly kind: "gc" }
  | { readonly kind: "snapshot" }
  | { readonly kind: "verify" }
  | { readonly kind: "secondOpen" }
  | { readonly kind: "view"; readonly view: number };

export type Call = WriteCall | ReadCall | StoreCall;

export interface SessionSeen {
  readonly revision: number;
  readonly config: string;
  readonly nodes: readonly NodeSeen[];
  readonly leaf: string | undefined;
  readonly turn: string;
  readonly refs: { readonly [Name in ComponentName]?: string };
  readonly values: { readonly [Name in ComponentName]?: string };
  readonly ledger: readonly UsageSeen[];
  /** The first node that a limit left out. */
  readonly nextOlder?: string | undefined;
  /** A component or the checkpoint whose bytes do not have the address they are known by. */
  readonly wrongAddress: string | undefined;
}

export interface HeadMetaSeen {
  readonly revision: number;
  readonly config: string;
  readonly leaf: string | undefined;
  readonly nodeCount: number;
  readonly ledger: readonly UsageSeen[];
}

export interface CommitSeen {
  readonly revision: number;
  readonly replayed: boolean;
  readonly turn: string;
  readonly refs: { readonly [Name in ComponentName]?: string };
  readonly checkpointRef: string;
  readonly wrongAddress: string | undefined;
}

export interface EntrySeen {
  readonly sessionId: string;
  readonly revision: number | undefined;
  readonly cwd: string | undefined;
  readonly parent: string | undefined;
  readonly firstUserMessage: string;
  readonly userMessageCount: number;
}

export interface ProblemSeen {
  readonly code: StoreErrorCode;
  readonly text: string;
}

export type Value =
  | { readonly kind: "commit"; readonly commit: CommitSeen }
  | { readonly kind: "session"; readonly session: SessionSeen | undefined }
  | { readonly kind: "node"; readonly node: NodeSeen | undefined }
  | { readonly kind: "headMeta"; readonly head: HeadMetaSeen | undefined }
  | { readonly kind: "nodes"; readonly nodes: readonly NodeSeen[] }
  | { readonly kind: "meta"; readonly meta: MetaSeen | undefined }
  | { readonly kind: "vacuum"; readonly removed: number }
  | { readonly kind: "deleted"; readonly existed: boolean }
  | { readonly kind: "entries"; readonly entries: readonly EntrySeen[] }
  | { readonly kind: "problems"; readonly problems: readonly ProblemSeen[] }
  | { readonly kind: "done" };

export type Answer =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: StoreErrorCode; readonly message: string };

export interface StoreFacts {
  readonly sync: SyncPolicy;
  readonly graphPolicy: GraphPolicy;
  readonly receiptsKept: number;
}

/** How an owner ended: it closed, its process died, or the machine lost power. */
export type Ending = "closed" | "killed" | "powerCut";

/** `at` is the time as the recorder's clock tells it; the order of events is what the checks rest on. */
export type HistoryEvent =
  | { readonly type: "opened"; readonly at: number; readonly facts: StoreFacts }
  | { readonly type: "ended"; readonly at: number; readonly how: Ending }
  | {
      readonly type: "invoked";
      readonly at: number;
      readonly id: number;
      readonly sessionId: string;
      readonly call: Call;
    }
  | { readonly type: "answered"; readonly at: number; readonly id: number; readonly answer: Answer }
  | { readonly type: "log"; readonly at: number; readonly lastLsn: number; readonly durableLsn: number };

export interface Violation {
  /** Which promise was broken, in a few words that tests may match. */
  readonly rule: string;
  readonly sessionId: string | undefined;
  readonly message: string;
}

/** Whether a call that is in flight when the owner ends is never answered: those of views are, unless power fails. */
export function endsWith(how: Ending, call: Call): boolean {
  return how === "powerCut" || !("view" in call) || call.view === undefined;
}
