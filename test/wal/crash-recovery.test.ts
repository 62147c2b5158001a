/** A second power cut, at every operation of the recovery from a first one: nothing durable is lost. */
import { describe, it } from "node:test";
import { chooseRandomly, keepEverything, keepNothing } from "../../src/vfs/memory-crash.ts";
import { type Cut, checkCut, cutsOf, WORKLOADS } from "./cuts.ts";

/** Of the first cuts, one in so many is recovered from; each at every one of its operations. */
const SAMPLE = 9;

describe("a power cut during the recovery from one", () => {
  for (const [name, workload] of Object.entries(WORKLOADS)) {
    it(`loses nothing durable: ${name}`, async () => {
      const { log, cuts } = await cutsOf(workload, "always", 1);
      for (const cut of cuts.filter((_, index) => index % SAMPLE === 0)) {
        const second: Cut[] = [];
        await checkCut(log, cut, (vfs) => {
          for (const chooser of [keepNothing, keepEverything, chooseRandomly(second.length)]) {
            const title = `${cut.title}, again at ${second.length}`;
            second.push({ ...cut, title, vfs: vfs.crash(chooser) });
          }
        });
        for (const again of second) await checkCut(log, again);
      }
    });
  }
});
