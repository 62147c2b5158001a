/**
 * One life of a whole store on a disk that fails: opened over what a killed owner left, worked with in every way
 * a store has, closed. Everything asked and answered is recorded, and checked again after crashes. Which
 * operation fails, and how, is the caller's choice; where operations come from is told as *sites*, so that a
 * short run can fail each place of the code once and a long one every turn.
 */
import assert from "node:assert/strict";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { isStoreError, type StoreErrorCode } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { History } from "../../src/testing/history/history.ts";
import { recordStore } from "../../src/testing/history/record-store.ts";
import { Fault, type FaultSpec, type FaultyVfs, LYING_SYNC, withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { meta } from "../support/builders.ts";
import { CountingVfs } from "../support/counting-vfs.ts";
import { checkSession, commitOf, Progress } from "../support/history.ts";

const ROOT = "/store";
/** Little memory, so that sessions leave it and are loaded again. */
const OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false, maxResidentBytes: 4096 };
const SESSIONS = ["root", "other"];
/** More than any session reaches. */
const MOST_REVISIONS = 20;
/** Crashes after a run: seeds of `crashRandomly`. */
const CRASH_SEEDS = [1, 2];

/** A store with a snapshot and a tail, as `kill -9` left it, and what is known of it. */
export interface Base {
  readonly vfs: MemoryVfs;
  readonly history: History;
}

export async function makeBase(): Promise<Base> {
  const vfs = new MemoryVfs();
  const history = new History();
  const store = recordStore(history, await openStore(ROOT, { ...OPTIONS, vfs }));
  for (const id of SESSIONS) {
    for (const revision of [1, 2]) await store.session(id).commitRuntimeState(commitOf(id, revision));
  }
  await store.snapshot();
  await store.session("root").commitRuntimeState(commitOf("root", 3));
  const left = vfs.crashKeepingEverything();
  const known = history.copy();
  known.ended("killed");
  await store.close();
  return { vfs: left, history: known };
}

type Ask = "open" | "read" | "write" | "job" | "verify" | "close";

/** What a failing disk may answer each kind of call with. INTERNAL and CORRUPT are never among them. */
const ALLOWED: Record<Ask, readonly StoreErrorCode[]> = {
  open: ["STORE_IO"],
  read: ["STORE_IO"],
  write: ["STORE_IO", "COMMIT_OUTCOME_UNKNOWN", "STORE_POISONED", "STORE_FULL", "STORE_BUSY"],
  job: ["STORE_IO", "STORE_POISONED", "STORE_FULL"],
  verify: ["STORE_IO"],
  close: ["STORE_IO", "STORE_POISONED", "STORE_FULL"],
};

/** Operations without which everything can still be read. */
const WRITING = new Set(["write", "datasync", "sync", "syncDirectory", "rename", "remove", "truncate"]);

export class FaultRun {
  readonly vfs: FaultyVfs;
  readonly #counting: CountingVfs;
  readonly #memory: MemoryVfs;
  readonly #history: History;
  readonly #spec: FaultSpec | undefined;

  constructor(base: Base, spec: FaultSpec | undefined) {
    this.#memory = base.vfs.crashKeepingEverything();
    this.#history = base.history.copy();
    this.#spec = spec;
    this.vfs = withFaults(this.#memory, spec === undefined ? [] : [spec]);
    this.#counting = new CountingVfs(this.vfs);
  }

  /** Lives the life; throws for anything that the contract does not allow. */
  async live(): Promise<void> {
    const opened = await this.#ask("open", () => openStore(ROOT, { ...OPTIONS, vfs: this.#counting }));
    if (opened !== undefined) {
      const store = recordStore(this.#history, opened);
      await this.#work(store);
      await this.#checkCrashes();
      await this.#ask("close", () => store.close());
    }
    assert.deepEqual(this.#counting.openPaths, [], "whatever failed, no file stays open");
    assert.deepEqual(this.vfs.syncsAfterFailure(), [], "nothing is synced again that failed to sync");
    this.#history.assertHolds();
    await checkLeft(this.#memory.crashKeepingEverything(), this.#history.copy());
    if (opened === undefined) await checkLeft(this.#memory.crashKeepingNothing(), this.#history.copy());
  }

  async #work(store: Store): Promise<void> {
    await this.#readAll(store);
    for (const [turn, id] of ["root", "other", "root", "root"].entries()) {
      await this.#ask("write", () => this.#commitNext(store, id));
      if (turn === 1) {
        await this.#ask("write", () => store.session("root").saveSessionMeta(meta("root")));
        await this.#ask("write", () => store.session("other").tombstoneNodes(["x1"]));
        await this.#ask("job", () => store.snapshot());
      }
    }
    await this.#ask("write", () => store.session("other").vacuum());
    await this.#readAll(store);
    await this.#ask("job", () => store.gc());
    await this.#ask("write", () => this.#commitNext(store, "other"));
    await this.#ask("write", () => store.deleteSession("other"));
    await this.#ask("job", () => store.snapshot());
    await this.#ask("verify", () => store.verify());
    await this.#ask("write", () => this.#commitNext(store, "root"));
    await this.#readAll(store);
  }

  /** A host that reads before it decides; what it cannot read it does not commit on. */
  async #commitNext(store: Store, id: string): Promise<void> {
    const read = await store.session(id).loadSession();
    await store.session(id).commitRuntimeState(commitOf(id, (read?.headRevision ?? 0) + 1));
  }

  async #readAll(store: Store): Promise<void> {
    for (const id of SESSIONS) {
      await this.#ask("read", () => store.session(id).loadSession());
      await this.#ask("read", () => store.session(id).loadNode("n1"));
    }
    await this.#ask("read", async () => {
      for await (const _entry of store.listSessions());
    });
  }

  /** Undefined for what a failing disk may refuse. */
  async #ask<Value>(ask: Ask, call: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await call();
    } catch (error) {
      assert.ok(isStoreError(error), `${ask}: ${String(error)}`);
      assert.ok(this.vfs.fired.length > 0, `${ask} failed before the disk did: ${error.message}`);
      assert.ok(ALLOWED[ask].includes(error.code), `${ask} answered ${error.code}: ${error.message}`);
      const canRead = this.#spec !== undefined && WRITING.has(this.#spec.operation);
      if (ask === "read" && canRead) assert.fail(`a read failed on a disk that reads: ${error.message}`);
      return undefined;
    }
  }

  /** Power cuts at the end of the work, while the store is open. */
  async #checkCrashes(): Promise<void> {
    if (this.#spec?.errno === LYING_SYNC) {
      for (const seed of CRASH_SEEDS) await checkLiedTo(this.#memory.crashRandomly(seed));
      return await checkLiedTo(this.#memory.crashKeepingNothing());
    }
    const crashed = this.#history.copy();
    crashed.ended("powerCut");
    await checkLeft(this.#memory.crashKeepingNothing(), crashed.copy());
    for (const seed of CRASH_SEEDS) await checkLeft(this.#memory.crashRandomly(seed), crashed.copy());
  }
}

/** The disk works again: the store opens, is whole, holds what the history says, and is worked on. */
async function checkLeft(vfs: MemoryVfs, history: History): Promise<void> {
  if (history.owner > 0) history.ended("killed");
  const store = recordStore(history, await openStore(ROOT, { ...OPTIONS, vfs }));
  for (const id of SESSIONS) await store.session(id).loadSession();
  const { headRevision } = (await store.session("root").loadSession()) ?? assert.fail("root is there");
  await store.session("root").commitRuntimeState(commitOf("root", headRevision + 1));
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
  history.assertHolds();
}

/**
 * A disk that lied and was cut from power: what was acknowledged may be lost, but what is found is what a
 * session once was, or is refused by name. Nobody can promise more.
 */
async function checkLiedTo(vfs: MemoryVfs): Promise<void> {
  const told = new Progress();
  told.sent = MOST_REVISIONS;
  told.hideSent.add(1);
  try {
    const store = await openStore(ROOT, { ...OPTIONS, vfs });
    for (const id of SESSIONS) await checkSession(store, id, told).catch(assertRefusal);
    await store.close();
  } catch (error) {
    assertRefusal(error);
  }
}

function assertRefusal(error: unknown): void {
  if (error instanceof assert.AssertionError) throw error;
  const codes = ["CORRUPT", "NOT_A_STORE", "BLOB_MISSING"];
  assert.ok(isStoreError(error) && codes.includes(error.code), String(error));
}

// --- sites -------------------------------------------------------------------------------------------

/** An operation of the life: its turn among all of its kind, and the place of the code it came from. */
export interface Site {
  readonly operation: Fault["spec"]["operation"];
  /** Turn among operations of this kind, from 1. */
  readonly nth: number;
  readonly place: string;
}

/** Frames of a stack that tell a place. */
const PLACE_FRAMES = 4;

/** Fails nothing and writes down where each operation comes from. */
class Listener extends Fault {
  readonly sites: Site[] = [];
  readonly #turns = new Map<string, number>();

  constructor() {
    super({ operation: "any", errno: "EIO", nth: Number.MAX_SAFE_INTEGER });
  }

  override matches(operation: Site["operation"] & Parameters<Fault["matches"]>[0]): boolean {
    const nth = (this.#turns.get(operation) ?? 0) + 1;
    this.#turns.set(operation, nth);
    const frames = (new Error().stack ?? "").split("\n").filter((line) => /\/src\/(?!vfs\/)/.test(line));
    this.sites.push({ operation, nth, place: `${operation} ${frames.slice(0, PLACE_FRAMES).join(" < ")}` });
    return false;
  }
}

/** Every operation of the life, in order. */
export async function listSites(base: Base): Promise<readonly Site[]> {
  const run = new FaultRun(base, undefined);
  const listener = new Listener();
  run.vfs.inject(listener);
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  try {
    await run.live();
  } finally {
    Error.stackTraceLimit = limit;
  }
  return listener.sites;
}
