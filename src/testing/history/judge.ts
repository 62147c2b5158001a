/**
 * Compares what a write answered with what the contract says it must answer. Errors fall into four kinds:
 * what the model predicts exactly, what the world may always answer without effect, what a caller did wrong
 * (not modelled), and what only damage or a bug explains.
 */
import type { StoreErrorCode } from "../../errors.ts";
import { type Answer, COMPONENTS, type CommitSeen } from "./events.ts";
import type { Decision, Receipt } from "./session-model.ts";

export interface Reason {
  readonly rule: string;
  readonly message: string;
}

export interface Verdict {
  readonly applied: boolean;
  /** The answer was decided on the newest state, so that is durable once it is given. */
  readonly rests: boolean;
}

export const RULES = {
  lost: "nothing acknowledged or seen is lost",
  early: "nothing is visible before it is durable",
  state: "every read equals the state after some write",
  returned: "what a crash left out never appears later",
  answer: "every write answers what the contract says",
  refusal: "every refusal is one the contract asks for",
  damage: "nothing is damaged",
  address: "every referenced blob is there and hashes right",
  order: "a listing shows the last commit first",
  log: "LSNs only grow",
  lock: "a second opener is refused",
  collected: "a collected blob does not exist for later commits",
} as const;

/** Predicted exactly by the model. */
const MODELLED: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "SESSION_DELETED",
  "OPERATION_CONFLICT",
  "HEAD_REVISION_CONFLICT",
  "BLOB_MISSING",
  "NODE_ID_COLLISION",
  "INVALID_GRAPH",
  "NODE_IN_USE",
  "USAGE_OVERFLOW",
]);

/** A disk, a queue, a closed store or the caller's own mistake: without effect, whatever the state. */
const WITHOUT_EFFECT: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "STORE_BUSY",
  "STORE_FULL",
  "STORE_IO",
  "STORE_POISONED",
  "STORE_CLOSED",
  "ABORTED",
  "VIEW_EXPIRED",
  "READ_ONLY",
  "INVALID_ARGUMENT",
  "INVALID_COMMIT",
  "SESSION_BINDING_MISMATCH",
  "UNSUPPORTED_READ_SCOPE",
  // Of a read since a revision: the copy is too old, or of nothing that ever was.
  "HISTORY_GONE",
  "REVISION_UNKNOWN",
  "COMMIT_OUTCOME_UNKNOWN",
]);

export function isWithoutEffect(code: StoreErrorCode): boolean {
  return WITHOUT_EFFECT.has(code);
}

export function judgeWrite(decision: Decision, answer: Answer): Verdict | Reason {
  if (answer.ok) return judgeValue(decision, answer);
  const { code, message } = answer;
  if (WITHOUT_EFFECT.has(code)) return { applied: false, rests: false };
  if (!MODELLED.has(code)) return { rule: RULES.damage, message: `answered ${code}: ${message}` };
  if (code === "BLOB_MISSING" && decision.needsBlob === true) return { applied: false, rests: true };
  if (decision.kind === "refused" && decision.code === code) return { applied: false, rests: true };
  const must = decision.kind === "refused" ? decision.code : "success";
  return { rule: RULES.refusal, message: `answered ${code} (${message}) instead of ${must}` };
}

function judgeValue(decision: Decision, { value }: Extract<Answer, { ok: true }>): Verdict | Reason {
  if (decision.kind === "refused")
    return {
      rule: RULES.answer,
      message: `succeeded with ${JSON.stringify(value)} instead of ${decision.code}`,
    };
  const { expected } = decision;
  if (expected.kind === "commit" && value.kind === "commit") {
    const { wrongAddress } = value.commit;
    if (wrongAddress !== undefined)
      return { rule: RULES.address, message: `answered a ${wrongAddress} that does not hash to its ref` };
    const difference = differenceOfCommit(value.commit, expected.replayed, expected.receipt);
    return difference === undefined ? APPLIED : { rule: RULES.answer, message: difference };
  }
  const same = JSON.stringify(value) === JSON.stringify(expected);
  if (same) return APPLIED;
  return {
    rule: RULES.answer,
    message: `answered ${JSON.stringify(value)} instead of ${JSON.stringify(expected)}`,
  };
}

const APPLIED: Verdict = { applied: true, rests: true };

function differenceOfCommit(seen: CommitSeen, replayed: boolean, receipt: Receipt): string | undefined {
  if (seen.replayed !== replayed)
    return replayed
      ? `took operation ${receipt.operationId} again, which had made revision ${receipt.revision}`
      : `replayed an operation that never took place, as revision ${seen.revision}`;
  if (seen.revision !== receipt.revision) return `revision ${seen.revision} instead of ${receipt.revision}`;
  if (seen.turn !== receipt.turn) return `manifest with turn state ${seen.turn} instead of ${receipt.turn}`;
  const wrong = COMPONENTS.find((name) => seen.refs[name] !== receipt.refs[name]);
  return wrong && `manifest with ${wrong} ref ${seen.refs[wrong]} instead of ${receipt.refs[wrong]}`;
}
