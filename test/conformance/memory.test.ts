/** The laws of the contract over the memory-only store, which cannot be reopened. */
import { openMemoryStore } from "../../src/index.ts";
import { conformance } from "../../src/testing/conformance/conformance.ts";

conformance(
  "a store in memory",
  {
    open: openMemoryStore,
    reopen: (store) => Promise.resolve(store),
    discard: (store) => store.close(),
  },
  { reopen: false, recheck: "everyWay", histories: 60 },
);
