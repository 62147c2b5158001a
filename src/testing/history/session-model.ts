/**
 * What the contract says each write of a session does, decided naively: a state and a call give a refusal,
 * or an answer and the next state. It is written from the contract alone and calls nothing of `src/session/`.
 *
 * 1. It does not know which blobs exist: `needsBlob` says what an answer rested on, and the caller judges.
 */
import type { StoreErrorCode } from "../../errors.ts";
import type { GraphPolicy } from "../../session/types.ts";
import {
  COMPONENTS,
  type CommitCall,
  type ComponentName,
  type MetaSeen,
  type UsageSeen,
  type WriteCall,
} from "./events.ts";
import {
  type GraphState,
  graphAfter,
  graphHiding,
  graphVacuumed,
  NodeTable,
  planHiding,
  refuseDelta,
} from "./graph-model.ts";

export type Refs = { readonly [Name in ComponentName]?: string };

/** What a commit answered, and answers again to the same operation. */
export interface Receipt {
  readonly operationId: string | undefined;
  readonly content: string;
  readonly revision: number;
  readonly turn: string;
  readonly refs: Refs;
}

export interface SessionModel {
  readonly graph: GraphState;
  readonly revision: number;
  readonly config: string;
  readonly turn: string;
  readonly refs: Refs;
  readonly ledger: ReadonlyMap<string, UsageSeen["counters"]>;
  readonly meta: MetaSeen | undefined;
  readonly deleted: boolean;
  /** Newest last; the state has the first `receiptCount` of the timeline's. */
  readonly receiptCount: number;
  /** The call that made the revision. */
  readonly commitId: number | undefined;
}

export function newSession(): SessionModel {
  return {
    graph: { index: 0, table: new NodeTable(), length: 0, hidden: 0, leaf: undefined },
    revision: 0,
    config: "",
    turn: "",
    refs: {},
    ledger: new Map(),
    meta: undefined,
    deleted: false,
    receiptCount: 0,
    commitId: undefined,
  };
}

export type Expected =
  | { readonly kind: "commit"; readonly replayed: boolean; readonly receipt: Receipt }
  | { readonly kind: "vacuum"; readonly removed: number }
  | { readonly kind: "deleted"; readonly existed: boolean }
  | { readonly kind: "done" };

export type Decision =
  | { readonly kind: "refused"; readonly code: StoreErrorCode; readonly needsBlob?: boolean }
  | {
      readonly kind: "accepted";
      readonly expected: Expected;
      /** Absent if nothing changes. It grows the state's table, so it is called once, if the write took place. */
      readonly next?: () => SessionModel;
      /** Refs were carried that the session's own head does not hold. */
      readonly needsBlob?: boolean;
    };

export interface Rules {
  readonly graphPolicy: GraphPolicy;
  /** The receipt of an operation, if it is still remembered. */
  readonly remembered: (operationId: string) => Receipt | undefined;
  /** Of the call, to be kept with the state it makes. */
  readonly callId: number;
}

export function decideWrite(state: SessionModel, call: WriteCall, rules: Rules): Decision {
  if (call.kind === "delete") return decideDelete(state);
  if (state.deleted) return refused("SESSION_DELETED");
  const index = state.graph.index + 1;
  switch (call.kind) {
    case "commit":
      return decideCommit(state, call, rules);
    case "tombstone": {
      const hidden = planHiding(state.graph, call.ids, rules.graphPolicy);
      if (hidden === "NODE_IN_USE") return refused(hidden);
      if (hidden.size === 0) return { kind: "accepted", expected: { kind: "done" } };
      const next = () => ({ ...state, graph: graphHiding(state.graph, hidden, index) });
      return { kind: "accepted", expected: { kind: "done" }, next };
    }
    case "vacuum": {
      const removed = state.graph.hidden;
      const expected = { kind: "vacuum", removed } as const;
      if (removed === 0) return { kind: "accepted", expected };
      const next = () => ({ ...state, graph: graphVacuumed(state.graph, index) });
      return { kind: "accepted", expected, next };
    }
    case "saveMeta": {
      const next = () => ({ ...state, graph: { ...state.graph, index }, meta: call.meta });
      return { kind: "accepted", expected: { kind: "done" }, next };
    }
  }
}

function decideDelete(state: SessionModel): Decision {
  const existed = state.deleted || state.revision > 0 || state.meta !== undefined;
  const expected = { kind: "deleted", existed } as const;
  if (!existed || state.deleted) return { kind: "accepted", expected };
  const fresh = newSession();
  const graph = { ...fresh.graph, index: state.graph.index + 1 };
  const next = () => ({ ...fresh, graph, deleted: true, receiptCount: state.receiptCount });
  return { kind: "accepted", expected, next };
}

function decideCommit(state: SessionModel, call: CommitCall, rules: Rules): Decision {
  const receipt = call.operationId === undefined ? undefined : rules.remembered(call.operationId);
  if (receipt !== undefined) {
    if (receipt.content !== call.content) return refused("OPERATION_CONFLICT");
    return { kind: "accepted", expected: { kind: "commit", replayed: true, receipt } };
  }
  if (call.expected !== undefined && call.expected !== state.revision)
    return refused("HEAD_REVISION_CONFLICT");
  const needsBlob = COMPONENTS.some((name) => {
    const sent = call.components[name];
    return sent !== undefined && sent.value === undefined && sent.ref !== state.refs[name];
  });
  const code = refuseDelta(state.graph, call, rules.graphPolicy);
  if (code !== undefined) return { kind: "refused", code, needsBlob };
  const ledger = ledgerAfter(state.ledger, call.usage);
  if (ledger === undefined) return { kind: "refused", code: "USAGE_OVERFLOW", needsBlob };
  return accept(state, call, { rules, ledger, needsBlob });
}

function accept(
  state: SessionModel,
  call: CommitCall,
  found: { rules: Rules; ledger: SessionModel["ledger"]; needsBlob: boolean },
): Decision {
  const refs: { [Name in ComponentName]?: string } = {};
  for (const name of COMPONENTS) {
    const sent = call.components[name];
    if (sent !== undefined) refs[name] = sent.ref;
  }
  const { operationId, content, turn, config } = call;
  const revision = state.revision + 1;
  const next = (): SessionModel => ({
    ...state,
    graph: graphAfter(state.graph, call, state.graph.index + 1),
    revision,
    config,
    turn,
    refs,
    ledger: found.ledger,
    receiptCount: state.receiptCount + (call.operationId === undefined ? 0 : 1),
    commitId: found.rules.callId,
  });
  const receipt = { operationId, content, revision, turn, refs };
  const expected = { kind: "commit", replayed: false, receipt } as const;
  return { kind: "accepted", expected, next, needsBlob: found.needsBlob };
}

/** Undefined if a counter would no longer be exact. Usage that is all zero leaves no entry. */
function ledgerAfter(
  ledger: SessionModel["ledger"],
  usage: readonly UsageSeen[],
): SessionModel["ledger"] | undefined {
  if (usage.length === 0) return ledger;
  const after = new Map(ledger);
  for (const { key, counters } of usage) {
    if (counters.every((counter) => counter === 0)) continue;
    const [a, b, c, d] = after.get(key) ?? [0, 0, 0, 0];
    const sum = [a + counters[0], b + counters[1], c + counters[2], d + counters[3]] as const;
    if (sum.some((counter) => !Number.isSafeInteger(counter))) return undefined;
    after.set(key, sum);
  }
  return after;
}

function refused(code: StoreErrorCode): Decision {
  return { kind: "refused", code };
}
