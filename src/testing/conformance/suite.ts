/**
 * The laws of the contract as a suite over any store: `conformance(name, factory, capabilities)` declares
 * one test per law. It deliberately knows no store; a factory makes them, and says what they can do.
 *
 * 1. Expected values are written by hand from the contract, never taken from the code under test.
 * 2. What a law states with `holds` is stated again after every way the data can travel: reopened from
 *    its log, from a snapshot, and through both.
 */
import { describe, test } from "node:test";
import type { RuntimePersistence, Store, StoreOptions } from "../../contract.ts";

export interface StoreFactory {
  /** A new, empty store. */
  open(options: StoreOptions): Promise<Store>;
  /** Closes `store` and opens what it stored. Only called where `capabilities.reopen`. */
  reopen(store: Store, options: StoreOptions): Promise<Store>;
  /** Closes `store` and removes what it stored. */
  discard(store: Store): Promise<void>;
}

export interface Capabilities {
  /** The data outlives the store object. */
  readonly reopen: boolean;
  /**
   * How a law is stated again: "everyWay" from the log, beside a snapshot and from the snapshot; "oneWay"
   * from the log, and every second time from a snapshot, for a store that is slow to open.
   */
  readonly recheck: "everyWay" | "oneWay";
  /**
   * Random histories that the concurrency law tries; slow stores afford fewer. More than 0 needs the package
   * fast-check.
   */
  readonly histories: number;
}

/** A store under test, and verbs over it. */
export class Fixture {
  store: Store;
  readonly capabilities: Capabilities;
  readonly #factory: StoreFactory;
  readonly #options: StoreOptions;
  #rechecks = 0;

  constructor(store: Store, factory: StoreFactory, capabilities: Capabilities, options: StoreOptions) {
    this.store = store;
    this.capabilities = capabilities;
    this.#factory = factory;
    this.#options = options;
  }

  session(sessionId = "root"): RuntimePersistence {
    return this.store.session(sessionId);
  }

  /** Closes and opens again; a store that cannot keeps running. */
  async reopen(options: StoreOptions = {}): Promise<void> {
    if (!this.capabilities.reopen) return;
    this.store = await this.#factory.reopen(this.store, { ...this.#options, ...options });
  }

  /** States it now and again, as `capabilities.recheck` says. */
  async holds(check: () => Promise<void>): Promise<void> {
    await check();
    if (this.capabilities.recheck === "oneWay") {
      if (this.#rechecks++ % 2 === 1) await this.store.snapshot();
      await this.reopen();
      return await check();
    }
    await this.reopen();
    await check();
    await this.store.snapshot();
    await check();
    await this.reopen();
    await check();
  }

  /** A second store beside this one, of the same make. */
  async openAnother(options: StoreOptions = {}): Promise<Fixture> {
    const all = { ...SUITE_OPTIONS, ...options };
    return new Fixture(await this.#factory.open(all), this.#factory, this.capabilities, all);
  }

  async discard(): Promise<void> {
    await this.#factory.discard(this.store);
  }
}

export type LawBody = (fixture: Fixture) => Promise<void>;
/** Declares one law. `options` are the store's. */
export type Law = (name: string, body: LawBody, options?: StoreOptions) => void;
export interface Laws {
  readonly law: Law;
  readonly capabilities: Capabilities;
}
export type Area = (laws: Laws) => void;

/** Small segments, so that laws also cross their ends; nothing happens that a law did not ask for. */
const SUITE_OPTIONS: StoreOptions = { segmentBytes: 64 * 1024, snapshot: false, gc: false };

export function declare(
  name: string,
  areas: Readonly<Record<string, Area>>,
  factory: StoreFactory,
  capabilities: Capabilities,
): void {
  const law: Law = (lawName, body, options = {}) => {
    test(lawName, async () => {
      const all = { ...SUITE_OPTIONS, ...options };
      const fixture = new Fixture(await factory.open(all), factory, capabilities, all);
      try {
        await body(fixture);
      } finally {
        await fixture.discard();
      }
    });
  };
  describe(name, () => {
    for (const [area, declareArea] of Object.entries(areas)) {
      describe(area, () => declareArea({ law, capabilities }));
    }
  });
}
