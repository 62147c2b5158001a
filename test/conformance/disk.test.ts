/**
 * The laws of the contract over real files and threads: those whose meaning threads, locks and files could
 * change. All of them run on the same engine over simulated files; VARVE_THOROUGH=1 runs them all here too.
 */
import { join } from "node:path";
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { conformance } from "../../src/testing/conformance/conformance.ts";
import type { StoreFactory } from "../../src/testing/conformance/suite.ts";
import { makeTemporary, removeTemporary } from "../support/temporary.ts";

const directories = new WeakMap<Store, string>();

async function open(root: string, options: StoreOptions): Promise<Store> {
  const store = await openStore(join(root, "store"), options);
  directories.set(store, root);
  return store;
}

function rootOf(store: Store): string {
  const root = directories.get(store);
  if (root === undefined) throw new Error("a store of another factory");
  return root;
}

const factory: StoreFactory = {
  async open(options) {
    const root = makeTemporary();
    try {
      return await open(root, options);
    } catch (error) {
      removeTemporary(root);
      throw error;
    }
  },
  async reopen(store, options) {
    await store.close();
    return await open(rootOf(store), options);
  },
  async discard(store) {
    await store.close();
    removeTemporary(rootOf(store));
  },
};

const thorough = process.env.VARVE_THOROUGH === "1";
conformance(
  "a store on disk",
  factory,
  { reopen: true, recheck: thorough ? "everyWay" : "oneWay", histories: 6 },
  thorough ? undefined : ["commit", "checkpoint", "operations", "gc", "deletion", "lifecycle", "concurrency"],
);
