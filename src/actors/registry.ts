/**
 * The sessions in memory: makes a session's cell on its first request and its actor on the first that is told as an
 * event, and passivates those that were idle or that the memory budget needs back. A passivated session loses nothing:
 * its state is read again from the snapshot and the tail. Before any is passivated to make room, large ones shed what commits
 * need not (`shedding.ts`): were sessions in use to leave, each commit would read one back.
 *
 * 1. A session with an answer outstanding, or at work, is never passivated; the budget is looked at again when it
 *    is answered. Of two cells of one session each would decide without the other.
 * 2. The map is ordered by last use, so the oldest come first.
 * 3. Making room looks at a bounded number of sessions that must stay, however many wait for the log.
 * 4. A bounded number of sessions leaves in one turn, also when all of them do at the end.
 * 5. While memory is full, a session that was used once leaves before one that was used again (`newcomers.ts`).
 * 6. While many come and go, what the garbage collector has not given back counts against the budget, up to half of it.
 *
 * Every session is a root actor of its own: spawning under one parent is quadratic in xstate 5, and one
 * shared idle clock replaces a timer per session.
 */
import { type Clock, nextTurn } from "../clock.ts";
import { toStoreError } from "../errors.ts";
import { KIB, MIB, SESSION_IDLE_MS, SESSIONS_LEAVING_PER_TURN } from "../limits.ts";
import { type LogProgress, RecentBodies } from "../session/recent-bodies.ts";
import type { Steps } from "../steps.ts";
import type { Reply } from "./ask.ts";
import { Departed } from "./departed.ts";
import { LongWork } from "./long-work.ts";
import { Newcomers } from "./newcomers.ts";
import { SessionCell } from "./session.ts";
import { type SessionRef, startActor } from "./session-actor.ts";
import type { CommitEvent } from "./session-events.ts";
import type { SessionServices } from "./session-services.ts";
import { Shedding } from "./shedding.ts";

/** Sessions that must stay, at which one attempt to make room stops looking. */
const MAX_KEPT = 16;
/** Share of the budget that making room goes down to, so that it does not run on every commit. */
const LOW_WATER = 0.9;
/** Bytes of passivated sessions: what the budget puts up with, and how often one is watched and the collector told. */
const DEPARTED = { floorBytes: 32 * MIB, markerBytes: 1 * MIB, tellBytes: 64 * MIB };
/** Of newcomers up to so many bytes this share waits for a collection of the whole heap; the rest dies young. As measured. */
const SMALL_BYTES = 8 * KIB;
const AGED_SHARE = 1 / 8;
/** Sessions that leave one by one and are told of as one. */
const TOLD_TOGETHER = 64;
/** Share of the budget that sessions in memory have whatever the garbage. */
const LEAST_SHARE = 0.5;
/** Share of the budget for the bodies of what was committed last. */
const RECENT_SHARE = 1 / 8;

export class SessionRegistry {
  readonly #residents = new Map<string, SessionCell>();
  readonly #services: SessionServices;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #onPassivated: (sessions: number, bytes: number) => void;
  readonly #onShed: (sessions: number, bytes: number) => void;
  readonly #shedding: Shedding;
  readonly #departed: Departed;
  readonly #newcomers: Newcomers;
  readonly #longWork: LongWork;
  readonly #recent: RecentBodies;
  #bytes = 0;
  #waitingBytes = 0;
  /** Sessions that left after their trial and were not told of yet. */
  #judged = { sessions: 0, bytes: 0 };
  #round = 0;
  #timer: unknown;
  /** More must leave than one turn takes, and the next turn is asked for. */
  #goesOn = false;

  constructor(options: {
    services: Omit<SessionServices, "changed" | "runLoad" | "waits" | "recent">;
    progress: LogProgress;
    maxResidentBytes: number;
    clock: Clock;
    onPassivated: (sessions: number, bytes: number) => void;
    onShed: (sessions: number, bytes: number) => void;
    /** For tests. */ departed?: Departed;
    newcomers?: Newcomers;
  }) {
    this.#longWork = new LongWork(options.clock);
    this.#recent = new RecentBodies(options.maxResidentBytes * RECENT_SHARE, options.progress);
    this.#services = {
      ...options.services,
      recent: this.#recent,
      changed: (cell) => this.#account(cell),
      runLoad: (load, done) => this.#longWork.run(load, done),
      waits: (bytes) => {
        this.#waitingBytes += bytes;
      },
    };
    this.#maxBytes = options.maxResidentBytes;
    this.#clock = options.clock;
    this.#onPassivated = options.onPassivated;
    this.#onShed = options.onShed;
    this.#shedding = new Shedding(options.maxResidentBytes);
    this.#departed = options.departed ?? new Departed(DEPARTED);
    this.#newcomers = options.newcomers ?? new Newcomers();
  }

  get size(): number {
    return this.#residents.size;
  }
  get bytes(): number {
    return this.#bytes + this.recentBytes;
  }

  /** Of them those of bodies that were committed last, of all sessions together. */
  get recentBytes(): number {
    return this.#recent.bytes;
  }

  /** Bytes of commits that wait for their sessions to be loaded: they are in no other queue yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Answers what the steps of a session's read end with, in a later turn if they are many. */
  runRead<Value>(sessionId: string, steps: Steps<Value>, reply: Reply<Value>): void {
    this.#longWork.run(steps, (ended) => {
      // Bodies that it kept in memory may leave it now.
      const cell = this.peek(sessionId);
      if (cell !== undefined) this.#account(cell);
      if ("error" in ended) reply.reject(toStoreError(ended.error));
      else reply.resolve(ended.value);
    });
  }

  /** Resolves when no session is being loaded or read, and what waited for it is with the log. */
  idle(): Promise<void> {
    return this.#longWork.idle();
  }

  /** The session's actor, started if need be. */
  get(sessionId: string): SessionRef {
    const cell = this.#use(sessionId);
    cell.actor ??= startActor(cell);
    return cell.actor;
  }

  /** Gives a commit to the session. */
  commit(sessionId: string, event: CommitEvent): void {
    this.#use(sessionId).receive(event);
  }

  #use(sessionId: string): SessionCell {
    const cell = this.#residents.get(sessionId);
    if (cell === undefined) return this.#start(sessionId);
    this.#newcomers.delete(cell);
    if (cell.lastUsed !== this.#round) {
      // Moves it to the young end, at most once a round.
      this.#residents.delete(sessionId);
      this.#residents.set(sessionId, cell);
      this.#shedding.used(cell);
    }
    cell.lastUsed = this.#round;
    return cell;
  }

  /** The session's cell if it is in memory, without waking it. */
  peek(sessionId: string): SessionCell | undefined {
    return this.#residents.get(sessionId);
  }

  /** As `peek`, for who uses it. */
  used(sessionId: string): SessionCell | undefined {
    return this.#residents.has(sessionId) ? this.#use(sessionId) : undefined;
  }

  /** Call when no request comes any more. */
  async stop(): Promise<void> {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    let stopped = 0;
    for (const [sessionId, cell] of this.#residents) {
      this.#forget(sessionId, cell);
      cell.actor?.stop();
      if (++stopped % SESSIONS_LEAVING_PER_TURN === 0) await nextTurn(this.#clock, "registry");
    }
  }

  #start(sessionId: string): SessionCell {
    const cell = new SessionCell(sessionId, this.#services);
    cell.lastUsed = this.#round;
    this.#residents.set(sessionId, cell);
    const judged = this.#newcomers.add(cell);
    if (judged !== undefined) this.#judge(judged);
    this.#account(cell);
    this.#timer ??= this.#clock.setTimeout(() => this.#idleRound(), SESSION_IDLE_MS);
    return cell;
  }

  #account(cell: SessionCell): void {
    this.#count(cell);
    this.#shedding.look(cell);
    this.#makeRoom(cell);
  }

  #makeRoom(except?: SessionCell): void {
    const budget = this.#budget;
    if (this.#bytes > budget && this.#shed(budget * LOW_WATER))
      return this.#goOnLater(() => this.#makeRoom());
    if (this.#bytes > budget) this.#passivate((used) => used > budget * LOW_WATER, except);
  }

  /** Bytes that sessions may take now. */
  get #budget(): number {
    return Math.max(this.#maxBytes * LEAST_SHARE, this.#maxBytes - this.recentBytes - this.#departed.bytes);
  }

  /** Answers by how much its bytes grew. */
  #count(cell: SessionCell): number {
    const grown = cell.bytes - cell.accountedBytes;
    this.#bytes += grown;
    cell.accountedBytes += grown;
    return grown;
  }

  #forget(sessionId: string, cell: SessionCell): void {
    this.#residents.delete(sessionId);
    this.#newcomers.delete(cell);
    this.#shedding.delete(cell);
    this.#bytes -= cell.accountedBytes;
  }

  /** What sessions in use can do without leaves before any session does. True: there is more than a turn takes. */
  #shed(downTo: number): boolean {
    const before = this.#bytes;
    const { sessions, goesOn } = this.#shedding.run(
      () => this.#bytes <= downTo,
      (cell) => this.#count(cell) < 0,
    );
    if (sessions > 0) this.#onShed(sessions, before - this.#bytes);
    return goesOn && this.#bytes > downTo;
  }

  /** Its trial is over: while memory is full it leaves. */
  #judge(cell: SessionCell): void {
    if (cell.waiting > 0 || cell.isBusy || this.#bytes <= this.#budget * LOW_WATER) return;
    const { accountedBytes } = cell;
    this.#newcomers.left(cell, this.#residents.size);
    cell.actor?.stop();
    this.#departed.add(cell, accountedBytes > SMALL_BYTES ? accountedBytes : accountedBytes * AGED_SHARE);
    this.#forget(cell.sessionId, cell);
    this.#judged.sessions++;
    this.#judged.bytes += accountedBytes;
    if (this.#judged.sessions === TOLD_TOGETHER) this.#tellPassivated(0, 0);
  }

  /** Sessions not used for a whole round leave memory. */
  #idleRound(): void {
    this.#round++;
    const before = this.#round - 1;
    this.#passivate((_used, cell) => cell.lastUsed < before);
    const isEmpty = this.#residents.size === 0;
    if (isEmpty) this.#recent.clear();
    this.#timer = isEmpty ? undefined : this.#clock.setTimeout(() => this.#idleRound(), SESSION_IDLE_MS);
  }

  /** From the oldest on, while `goOn`; sessions with answers outstanding and `except` stay, as in use. */
  #passivate(goOn: (usedBytes: number, cell: SessionCell) => boolean, except?: SessionCell): void {
    let sessions = 0;
    let kept = 0;
    const before = this.#bytes;
    for (const [sessionId, cell] of this.#residents) {
      if (kept === MAX_KEPT || !goOn(this.#bytes, cell)) break;
      if (sessions === SESSIONS_LEAVING_PER_TURN) {
        this.#goOnLater(() => this.#passivate(goOn));
        break;
      }
      if (cell.waiting > 0 || cell.isBusy || cell === except) {
        kept++;
        cell.lastUsed = this.#round;
        this.#residents.delete(sessionId);
        this.#residents.set(sessionId, cell);
        continue;
      }
      cell.actor?.stop();
      this.#departed.add(cell, cell.accountedBytes);
      this.#forget(sessionId, cell);
      sessions++;
    }
    if (sessions > 0) this.#tellPassivated(sessions, before - this.#bytes);
  }

  /** With those that left one by one since. */
  #tellPassivated(sessions: number, bytes: number): void {
    this.#onPassivated(sessions + this.#judged.sessions, bytes + this.#judged.bytes);
    this.#judged = { sessions: 0, bytes: 0 };
  }

  /** One course at a time: what it leaves undone is seen by the next commit, or the next round. */
  #goOnLater(work: () => void): void {
    if (this.#goesOn) return;
    this.#goesOn = true;
    this.#clock.turn("registry", () => {
      this.#goesOn = false;
      work();
    });
  }
}
