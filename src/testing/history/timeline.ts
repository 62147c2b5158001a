/**
 * One way a session may have gone: the states it had, oldest first, and what was told of them. A check
 * follows several timelines while a crash leaves it open which writes survived, and drops each that an
 * answer contradicts.
 *
 * 1. `floor` is the newest state that an answer has shown to be durable: later reads are not older.
 * 2. `mustSurvive` is the newest state that anybody saw. It is never older than `floor`.
 */
import type { StoreFacts, WriteCall } from "./events.ts";
import { type Decision, decideWrite, newSession, type Receipt, type SessionModel } from "./session-model.ts";

/** States a read may show: from the newest known at its beginning to the newest begun at its end. */
export interface Moment {
  readonly low: number;
  readonly high: number;
}

export class Timeline {
  readonly #older: Timeline | undefined;
  /** Index of the first state that is not one of `older`. */
  readonly #from: number;
  readonly #states: SessionModel[];
  readonly #receipts: Receipt[] = [];
  /** Place of the newest receipt of each operation. */
  readonly #places = new Map<string, number>();
  floor = 0;
  mustSurvive = 0;
  /** What survives a power cut although the sync policy promises less than the answers did. */
  solid = 0;
  /** What a view taken while the store has no owner shows at least; undefined while it has one. */
  provenForViews: number | undefined;
  /** State each call in flight rests on, and the floor when each read in flight began. */
  readonly rests = new Map<number, number>();
  readonly lows = new Map<number, number>();
  /** What each open view may show. */
  readonly moments = new Map<number, Moment>();

  constructor(older?: Timeline, state: SessionModel = newSession(), receipts: readonly Receipt[] = []) {
    this.#older = older;
    this.#from = state.graph.index;
    this.#states = [state];
    for (const receipt of receipts) this.#remember(receipt);
  }

  get last(): number {
    return this.#from + this.#states.length - 1;
  }

  /** The oldest state it still knows. */
  get first(): number {
    return this.#older === undefined ? this.#from : this.#older.first;
  }

  at(index: number): SessionModel {
    let timeline: Timeline = this;
    while (index < timeline.#from && timeline.#older !== undefined) timeline = timeline.#older;
    const state = timeline.#states[index - timeline.#from];
    if (state === undefined) throw new RangeError(`the timeline has no state ${index}`);
    return state;
  }

  decide(call: WriteCall, callId: number, facts: StoreFacts): Decision {
    const state = this.at(this.last);
    const { graphPolicy, receiptsKept } = facts;
    const remembered = (operationId: string): Receipt | undefined => {
      const place = this.#places.get(operationId);
      const isKept = place !== undefined && place >= state.receiptCount - receiptsKept;
      return isKept ? this.#receipts[place] : undefined;
    };
    return decideWrite(state, call, { graphPolicy, remembered, callId });
  }

  /** The write took place, or may have. */
  take(decision: Decision): void {
    if (decision.kind === "refused" || decision.next === undefined) return;
    this.#states.push(decision.next());
    if (decision.expected.kind === "commit") this.#remember(decision.expected.receipt);
  }

  #remember(receipt: Receipt): void {
    if (receipt.operationId === undefined) return;
    this.#places.set(receipt.operationId, this.#receipts.length);
    this.#receipts.push(receipt);
  }

  /** Goes on from an earlier state as if nothing later had been. */
  branch(index: number): Timeline {
    const state = this.at(index);
    const { graph } = state;
    const copied = { ...state, graph: { ...graph, table: graph.table.copyAt(graph) } };
    const branch = new Timeline(this, copied, this.#receipts.slice(0, state.receiptCount));
    branch.floor = Math.min(this.floor, index);
    branch.mustSurvive = Math.min(this.mustSurvive, index);
    branch.provenForViews = this.provenForViews;
    branch.solid = Math.min(this.solid, index);
    for (const [id, rest] of this.rests) branch.rests.set(id, Math.min(rest, index));
    for (const [id, low] of this.lows) branch.lows.set(id, low);
    for (const [view, { low, high }] of this.moments)
      branch.moments.set(view, { low: Math.min(low, index), high: Math.min(high, index) });
    return branch;
  }

  /** The same from now on, without what was before; nothing may be in flight, and no view open. */
  settled(receiptsKept: number): Timeline {
    const state = this.at(this.last);
    const receipts = this.#receipts.slice(Math.max(0, state.receiptCount - receiptsKept), state.receiptCount);
    const settled = new Timeline(undefined, { ...state, receiptCount: receipts.length }, receipts);
    settled.floor = settled.mustSurvive = settled.solid = settled.last;
    settled.provenForViews = this.provenForViews === undefined ? undefined : settled.last;
    return settled;
  }

  raise(index: number): void {
    this.floor = Math.max(this.floor, index);
    this.mustSurvive = Math.max(this.mustSurvive, index);
  }
}
