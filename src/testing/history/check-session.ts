/**
 * Follows one session through a history. Writes are applied in call order to every timeline that is still
 * possible; an answer that a timeline does not predict rules it out, and a session none of whose timelines is
 * left has broken a promise. A session has one writer order, so no search is needed.
 *
 * 1. After an end, what was unanswered may have taken place as a prefix of the calls in their order.
 * 2. A violation ends the check of this session: what follows rests on a state that is not known.
 */
import type { Answer, Ending, EntrySeen, ReadCall, StoreFacts, Violation, WriteCall } from "./events.ts";
import { isWithoutEffect, judgeWrite, type Reason, RULES } from "./judge.ts";
import { differenceOfEntry, differenceOfRead, isListed, type ValueBook } from "./read-model.ts";
import type { Decision } from "./session-model.ts";
import { type Moment, Timeline } from "./timeline.ts";

/** A crash with more unanswered writes of one session than this is too wide to follow. */
const MAX_TIMELINES = 10_000;

/** What a call came to: its answer, or that it is not known whether it took place. */
export type Outcome = Answer | "unknown";

export class SessionCheck {
  readonly #sessionId: string;
  readonly #book: ValueBook;
  #timelines: Timeline[] = [new Timeline()];
  #lossy = false;
  #violation: Violation | undefined;
  /** Since the last end, for the message only. */
  #ruledOut: RuledOut[] = [];

  constructor(sessionId: string, book: ValueBook) {
    this.#sessionId = sessionId;
    this.#book = book;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  opened(facts: StoreFacts): void {
    this.#lossy = facts.sync !== "always";
    for (const timeline of this.#timelines) {
      timeline.solid = timeline.last;
      timeline.provenForViews = undefined;
    }
  }

  ended(how: Ending): void {
    if (this.#violation !== undefined) return;
    const mayForget = how === "powerCut" && this.#lossy;
    const next: Timeline[] = [];
    for (const timeline of this.#timelines) {
      const first = mayForget ? timeline.solid : timeline.mustSurvive;
      // What survived counts for others once the next owner has written it again; a power cut may take TAIL, too.
      timeline.provenForViews = how === "powerCut" ? 0 : first;
      if (first === timeline.last) next.push(timeline);
      else for (let index = first; index <= timeline.last; index++) next.push(timeline.branch(index));
    }
    if (next.length > MAX_TIMELINES)
      throw new RangeError(
        `session "${this.#sessionId}" may be in ${next.length} states; read it more often`,
      );
    for (const timeline of next) {
      timeline.raise(timeline.last);
      timeline.rests.clear();
      timeline.lows.clear();
    }
    this.#timelines = next;
    this.#ruledOut = [];
  }

  /**
   * Lets go of what was before, where nothing is in doubt: no answer may be missing, and no view open. Then a
   * history costs what the session is, however long it is.
   */
  settle(receiptsKept: number): void {
    if (this.#violation !== undefined) return;
    this.#ruledOut = [];
    this.#timelines = this.#timelines.map((timeline) => {
      const { floor, last, solid } = timeline;
      return floor < last || (this.#lossy && solid < last) ? timeline : timeline.settled(receiptsKept);
    });
  }

  write(id: number, call: WriteCall, outcome: Outcome, facts: StoreFacts): void {
    this.#rule((timeline) => {
      const decision = timeline.decide(call, id, facts);
      if (outcome === "unknown") return this.#maybe(timeline, decision);
      const verdict = judgeWrite(decision, outcome);
      if ("rule" in verdict) return { ...verdict, message: `${call.kind} ${verdict.message}` };
      if (verdict.applied) timeline.take(decision);
      if (verdict.rests) timeline.rests.set(id, timeline.last);
      return [timeline];
    });
  }

  /** It may have taken place; where that depends on a blob we do not know of, there are two ways to go. */
  #maybe(timeline: Timeline, decision: Decision): Timeline[] {
    const forks =
      decision.kind === "accepted" && decision.needsBlob === true ? [timeline.branch(timeline.last)] : [];
    timeline.take(decision);
    return [timeline, ...forks];
  }

  /** What the answer rested on is durable; an answer that says it is not known rests on nothing. */
  answeredWrite(id: number): void {
    for (const timeline of this.#timelines) {
      timeline.raise(timeline.rests.get(id) ?? 0);
      timeline.rests.delete(id);
    }
  }

  began(id: number): void {
    for (const timeline of this.#timelines) timeline.lows.set(id, timeline.floor);
  }

  /**
   * A view was opened or refreshed by this call. Beside an owner whose policy promises less than power loss it
   * shows what was synced: it cannot tell what is only acknowledged from what a crash left half written. The
   * same holds for what a crash left, until the next owner has taken it up.
   */
  viewed(id: number, view: number): void {
    for (const timeline of this.#timelines) {
      const { low, high } = momentOf(timeline, { id, view: undefined });
      timeline.moments.set(view, {
        low: Math.min(low, this.#lossy ? timeline.solid : low, timeline.provenForViews ?? low),
        high,
      });
      timeline.lows.delete(id);
    }
  }

  /** A snapshot that began with this call has synced everything acknowledged before it. */
  synced(id: number): void {
    for (const timeline of this.#timelines) {
      timeline.solid = Math.max(timeline.solid, timeline.lows.get(id) ?? 0);
      timeline.lows.delete(id);
    }
  }

  read(id: number, call: ReadCall, answer: Answer): void {
    if (!answer.ok) {
      if (!isWithoutEffect(answer.code))
        this.#fail(RULES.damage, `${call.kind} answered ${answer.code}: ${answer.message}`);
      return;
    }
    const { value } = answer;
    if (value.kind === "session" && value.session?.wrongAddress !== undefined)
      return this.#fail(
        RULES.address,
        `load showed a ${value.session.wrongAddress} that does not hash to its ref`,
      );
    this.#look({ id, view: call.view, what: `${call.kind} showed` }, (timeline, index) =>
      differenceOfRead(timeline.at(index), call, value, this.#book),
    );
  }

  entry(id: number, view: number | undefined, seen: EntrySeen): void {
    this.#look({ id, view, what: "a listing showed" }, (timeline, index) =>
      differenceOfEntry(timeline.at(index), seen),
    );
  }

  notListed(id: number, view: number | undefined, includeChildren: boolean): void {
    this.#look({ id, view, what: "a listing left out the session:" }, (timeline, index) =>
      isListed(timeline.at(index), includeChildren) ? `state ${index} must be listed` : undefined,
    );
  }

  /** The commit call that made what a read at this moment shows, if there is no doubt about it. */
  lastCommitAt(id: number): number | undefined {
    const [timeline, ...others] = this.#timelines;
    if (timeline === undefined || others.length > 0) return undefined;
    const first = timeline.at(timeline.lows.get(id) ?? timeline.first);
    return first.commitId === timeline.at(timeline.last).commitId ? first.commitId : undefined;
  }

  /** Calls that made what it may be now. */
  commits(): number[] {
    return this.#timelines.flatMap((timeline) => timeline.at(timeline.last).commitId ?? []);
  }

  /** Addresses that some possible current state holds. */
  refs(): Set<string> {
    const refs = new Set<string>();
    for (const timeline of this.#timelines)
      for (let index = timeline.floor; index <= timeline.last; index++)
        for (const ref of Object.values(timeline.at(index).refs)) refs.add(ref);
    return refs;
  }

  /** The first state of the moment that agrees. */
  #look(call: Look, differ: Differ): void {
    this.#rule(
      (timeline) => {
        const moment = momentOf(timeline, call);
        if (call.view === undefined) timeline.lows.delete(call.id);
        let difference: string | undefined;
        for (let index = moment.low; index <= moment.high; index++) {
          difference = differ(timeline, index);
          if (difference !== undefined) continue;
          if (call.view === undefined) timeline.raise(index);
          else timeline.mustSurvive = Math.max(timeline.mustSurvive, index);
          return [timeline];
        }
        return explain(timeline, moment, `${call.what} ${difference ?? "nothing"}`, differ);
      },
      (timeline) => {
        for (let index = timeline.first; index <= timeline.last; index++)
          if (differ(timeline, index) === undefined) return true;
        return false;
      },
    );
  }

  #rule(follow: (timeline: Timeline) => Timeline[] | Reason, fits?: (timeline: Timeline) => boolean): void {
    if (this.#violation !== undefined) return;
    const left: Timeline[] = [];
    const out: RuledOut[] = [];
    for (const timeline of this.#timelines) {
      const followed = follow(timeline);
      if ("rule" in followed) out.push({ timeline, reason: followed });
      else left.push(...followed);
    }
    this.#timelines = left;
    if (left.length > 0) {
      this.#ruledOut.push(...out);
      return;
    }
    const again = fits === undefined ? undefined : this.#ruledOut.find(({ timeline }) => fits(timeline));
    const first = out.at(-1)?.reason ?? { rule: RULES.state, message: "no timeline is left" };
    if (again === undefined || first.rule === RULES.lost) return this.#fail(first.rule, first.message);
    this.#fail(RULES.returned, `${first.message}; this was ruled out before, when ${again.reason.message}`);
  }

  #fail(rule: string, message: string): void {
    this.#violation ??= { rule, sessionId: this.#sessionId, message };
  }
}

type Differ = (timeline: Timeline, index: number) => string | undefined;

interface Look {
  readonly id: number;
  readonly view: number | undefined;
  readonly what: string;
}

interface RuledOut {
  readonly timeline: Timeline;
  readonly reason: Reason;
}

/** Says also when the answer would have been right: too early or too late tells most about a bug. */
function explain(timeline: Timeline, { low, high }: Moment, message: string, differ: Differ): Reason {
  for (let index = low - 1; index >= timeline.first; index--) {
    if (differ(timeline, index) !== undefined) continue;
    return {
      rule: RULES.lost,
      message: `${message}; that was write ${index} of the session, write ${low} was durable`,
    };
  }
  for (let index = high + 1; index <= timeline.last; index++) {
    if (differ(timeline, index) !== undefined) continue;
    return {
      rule: RULES.early,
      message: `${message}; that is write ${index} of the session, ${high} had begun`,
    };
  }
  return {
    rule: RULES.state,
    message: `${message}; no write from ${low} to ${high} of the session left that`,
  };
}

function momentOf(timeline: Timeline, { id, view }: Pick<Look, "id" | "view">): Moment {
  const { first, last } = timeline;
  if (view !== undefined) return timeline.moments.get(view) ?? { low: first, high: first };
  // A call that began before the session was first heard of may show it as it was then: unused.
  return { low: timeline.lows.get(id) ?? first, high: last };
}
