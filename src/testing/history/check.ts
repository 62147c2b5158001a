/**
 * Checks a whole history: every session by itself, and what concerns the store (log, lock, listings,
 * collection). It takes the recorded events for what happened and judges only the store.
 *
 * 1. One pass in the order of events; the work grows with the events and with what reads showed.
 * 2. A history that is too long to keep is taken in parts, and `settle` between them lets go of the past.
 */

import { BlobCheck } from "./blob-check.ts";
import { SessionCheck } from "./check-session.ts";
import {
  type Answer,
  type Call,
  endsWith,
  type HistoryEvent,
  type ReadCall,
  type StoreFacts,
  type Violation,
  type WriteCall,
} from "./events.ts";
import { isWithoutEffect, RULES } from "./judge.ts";
import { LogCheck } from "./log-check.ts";

export interface CheckOptions {
  /** The test damages files itself, so CORRUPT and problems of verify are right answers. Default false. */
  readonly damage?: boolean;
}

type Invoked = Extract<HistoryEvent, { type: "invoked" }>;

/** Broken promises; none if the history is one that the contract allows. */
export function checkHistory(events: readonly HistoryEvent[], options: CheckOptions = {}): Violation[] {
  const check = new HistoryCheck(options);
  check.take(events);
  return check.violations();
}

export class HistoryCheck {
  /** Of the calls in the part that is looked at. */
  #answers = new Map<number, Answer>();
  readonly #options: CheckOptions;
  readonly #sessions = new Map<string, SessionCheck>();
  readonly #invoked = new Map<number, Invoked>();
  /** Calls by the time of their answer and of their call, for the order of listings. */
  readonly #answeredAt = new Map<number, number>();
  readonly #invokedAt = new Map<number, number>();
  readonly #values = new Map<string, string>();
  readonly #found: Violation[] = [];
  readonly #log = new LogCheck();
  readonly #blobs = new BlobCheck();
  #facts: StoreFacts = { sync: "always", graphPolicy: "strict", receiptsKept: 1000 };
  #now = 0;

  constructor(options: CheckOptions = {}) {
    this.#options = options;
  }

  /** The next part of the history: where it ends no call is without its answer, or its owner has ended. */
  take(events: readonly HistoryEvent[]): void {
    this.#answers = new Map();
    for (const event of events) if (event.type === "answered") this.#answers.set(event.id, event.answer);
    for (const event of events) this.#take(event);
  }

  /**
   * Lets go of the past of every session whose state is in no doubt, and of blobs that nobody holds or named for so
   * many events. Call it between two parts, while no view is open.
   */
  settle(eventsRemembered: number): void {
    const sessions = [...this.#sessions.values()];
    for (const session of sessions) session.settle(this.#facts.receiptsKept);
    const commits = new Set(sessions.flatMap((session) => session.commits()));
    for (const times of [this.#answeredAt, this.#invokedAt])
      for (const id of times.keys()) if (!commits.has(id)) times.delete(id);
    for (const ref of this.#blobs.forget(this.#heldRefs(), this.#now - eventsRemembered))
      this.#values.delete(ref);
    this.#invoked.clear();
  }

  violations(): Violation[] {
    const ofSessions = [...this.#sessions.values()].flatMap(({ violation }) => violation ?? []);
    return [...this.#found, ...ofSessions].filter(
      ({ rule }) => !(this.#options.damage === true && rule === RULES.damage),
    );
  }

  #take(event: HistoryEvent): void {
    this.#now++;
    switch (event.type) {
      case "opened":
        this.#facts = event.facts;
        this.#log.opened();
        for (const session of this.#sessions.values()) session.opened(event.facts);
        return;
      case "ended":
        this.#log.ended(this.#facts.sync !== "always" && event.how === "powerCut");
        for (const session of this.#sessions.values()) session.ended(event.how);
        for (const [id, { call }] of this.#invoked) if (endsWith(event.how, call)) this.#invoked.delete(id);
        return;
      case "log":
        return this.#report(RULES.log, this.#log.seen(this.#now, event.lastLsn, event.durableLsn));
      case "invoked":
        return this.#begin(event);
      case "answered":
        return this.#end(event.id, event.answer);
    }
  }

  #begin(event: Invoked): void {
    const { id, call, sessionId } = event;
    this.#invoked.set(id, event);
    this.#invokedAt.set(id, this.#now);
    if (isWrite(call)) this.#beginWrite(id, sessionId, call);
    else if (isRead(call)) this.#session(sessionId).began(id);
    else {
      if (call.kind === "gc") this.#blobs.gcBegan(id, this.#now, this.#heldRefs());
      for (const session of this.#sessions.values()) session.began(id);
    }
  }

  #beginWrite(id: number, sessionId: string, call: WriteCall): void {
    const answer = this.#answers.get(id);
    if (call.kind === "commit") {
      for (const sent of Object.values(call.components))
        if (sent.value !== undefined) this.#values.set(sent.ref, sent.value);
      const wasTaken = answer?.ok === true && answer.value.kind === "commit" && !answer.value.commit.replayed;
      this.#report(RULES.collected, this.#blobs.named(call, { now: this.#now, wasTaken }), sessionId);
    }
    const isUnknown = answer === undefined || (!answer.ok && answer.code === "COMMIT_OUTCOME_UNKNOWN");
    this.#session(sessionId).write(id, call, isUnknown ? "unknown" : answer, this.#facts);
  }

  #end(id: number, answer: Answer): void {
    const event = this.#invoked.get(id);
    if (event === undefined) return;
    this.#invoked.delete(id);
    this.#answeredAt.set(id, this.#now);
    const { call, sessionId } = event;
    if (isWrite(call)) {
      if (answer.ok) this.#log.wrote(answer.value, this.#invokedAt.get(id) ?? 0);
      this.#session(sessionId).answeredWrite(id);
    } else if (isRead(call)) this.#session(sessionId).read(id, call, answer);
    else if (call.kind === "secondOpen") this.#endSecondOpen(answer);
    else this.#endStoreCall(id, call, answer);
  }

  #endSecondOpen(answer: Answer): void {
    if (answer.ok) this.#report(RULES.lock, "a second owner opened the store");
    else if (answer.code !== "STORE_LOCKED" && answer.code !== "STORE_IO")
      this.#report(RULES.lock, `a second opener got ${answer.code}: ${answer.message}`);
  }

  #endStoreCall(id: number, call: Call, answer: Answer): void {
    if (!answer.ok) {
      if (!isWithoutEffect(answer.code))
        this.#report(RULES.damage, `${call.kind} answered ${answer.code}: ${answer.message}`);
      return;
    }
    const sessions = [...this.#sessions.values()];
    if (call.kind === "view") for (const session of sessions) session.viewed(id, call.view);
    else if (call.kind === "snapshot") for (const session of sessions) session.synced(id);
    else if (call.kind === "gc") this.#blobs.gcEnded(id);
    else if (call.kind === "list") this.#endList(id, call, answer);
    else if (answer.value.kind === "problems") {
      const damage = answer.value.problems.filter(({ code }) => !isWithoutEffect(code));
      if (damage.length > 0)
        this.#report(RULES.damage, `verify found ${damage.map(({ text }) => text).join("; ")}`);
    }
  }

  #endList(
    id: number,
    call: Extract<Call, { kind: "list" }>,
    { value }: Extract<Answer, { ok: true }>,
  ): void {
    if (value.kind !== "entries") return;
    const listed = new Set<string>();
    // When the commits of the entries so far were answered, at the latest: later entries must not be newer.
    let earliestAnswer = Number.POSITIVE_INFINITY;
    for (const entry of value.entries) {
      if (listed.has(entry.sessionId)) {
        this.#report(RULES.order, "a listing shows it twice", entry.sessionId);
        continue;
      }
      listed.add(entry.sessionId);
      const session = this.#session(entry.sessionId);
      const last = call.view === undefined ? session.lastCommitAt(id) : undefined;
      session.entry(id, call.view, entry);
      if (last === undefined) continue;
      if ((this.#invokedAt.get(last) ?? 0) > earliestAnswer)
        this.#report(
          RULES.order,
          "a listing shows it behind a session with an older commit",
          entry.sessionId,
        );
      earliestAnswer = Math.min(earliestAnswer, this.#answeredAt.get(last) ?? Number.POSITIVE_INFINITY);
    }
    if (call.partial) return;
    for (const [sessionId, session] of this.#sessions)
      if (!listed.has(sessionId)) session.notListed(id, call.view, call.includeChildren);
  }

  #session(sessionId: string): SessionCheck {
    let session = this.#sessions.get(sessionId);
    if (session === undefined) {
      session = new SessionCheck(sessionId, this.#values);
      session.opened(this.#facts);
      this.#sessions.set(sessionId, session);
    }
    return session;
  }

  #heldRefs(): Set<string> {
    const held = new Set<string>();
    for (const session of this.#sessions.values()) for (const ref of session.refs()) held.add(ref);
    return held;
  }

  #report(rule: string, message: string | undefined, sessionId?: string): void {
    if (message !== undefined) this.#found.push({ rule, sessionId, message });
  }
}

function isWrite(call: Call): call is WriteCall {
  return ["commit", "tombstone", "vacuum", "saveMeta", "delete"].includes(call.kind);
}

function isRead(call: Call): call is ReadCall {
  return ["load", "loadNode", "loadMeta", "loadHeadMeta", "iterate"].includes(call.kind);
}
