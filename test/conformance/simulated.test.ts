/** The laws of the contract over files in memory: the engine of the disk without its threads, reopened. */
import type { Store, StoreOptions } from "../../src/contract.ts";
import { openStore } from "../../src/index.ts";
import { conformance } from "../../src/testing/conformance/conformance.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";

const fileSystems = new WeakMap<Store, Vfs>();

async function open(vfs: Vfs, options: StoreOptions): Promise<Store> {
  const store = await openStore("/store", { ...options, vfs });
  fileSystems.set(store, vfs);
  return store;
}

conformance(
  "a store on simulated files",
  {
    open: (options) => open(new MemoryVfs({ crashable: false }), options),
    async reopen(store, options) {
      await store.close();
      const vfs = fileSystems.get(store);
      if (vfs === undefined) throw new Error("a store of another factory");
      return await open(vfs, options);
    },
    discard: (store) => store.close(),
  },
  { reopen: true, recheck: "everyWay", histories: 40 },
);
