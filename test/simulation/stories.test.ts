/**
 * What seeds of the simulation once found, each as a script that no longer depends on what a seed draws: the place
 * that mattered is every place there is. The seeds are named as they were when they failed. Each story also has a
 * test beside the code that was mended.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Process } from "../../src/testing/simulation/machine.ts";
import { Random } from "../../src/testing/simulation/random.ts";
import { keepNothing } from "../../src/vfs/memory-crash.ts";
import { Rot } from "./rot.ts";
import { ROOT, Story } from "./story.ts";

/** More turns of one operation than a life of a story has; reaching it means that a life does not end. */
const MAX_TURNS = 400;

const isLogSync = (operation: string, path: string): boolean =>
  operation === "datasync" && path.endsWith(".wal");

/** Runs `tell` for each turn from 1 until one is not reached any more. */
async function eachTurn(tell: (turn: number) => Promise<"reached" | "over">): Promise<number> {
  for (let turn = 1; turn < MAX_TURNS; turn++) if ((await tell(turn)) === "over") return turn - 1;
  return assert.fail(`still something to fail after ${MAX_TURNS} turns`);
}

const ENDS: Readonly<Record<string, (process: Process, turn: number) => void>> = {
  "was killed at": (process, turn) => process.dieAt(turn, "killed", isLogSync),
  "failed at": (process, turn) =>
    process.inject({ operation: "datasync", errno: "EIO", path: /\.wal$/, nth: turn }),
};

for (const [what, arrange] of Object.entries(ENDS)) {
  test(`seed 210: a life that ${what} any sync of the log, a reopening and a power cut leave a store that opens`, async () => {
    const turns = await eachTurn(async (turn) => {
      const story = new Story(turn);
      const end = await story.live(
        (process) => arrange(process, turn),
        (store) => story.commits(store, 5),
      );
      const isHit = end === "died" || story.lastFired > 0;
      await story.live(
        () => undefined,
        async (store) => {
          await story.commit(store);
          story.machine.cutPower(keepNothing);
        },
      );
      await story.end(`turn ${turn}`);
      return isHit ? "reached" : "over";
    });
    assert.ok(turns >= 5, `${turns} syncs`);
  });
}

test("seed 9610: a sync that failed while opening, another opening and a power cut leave a store that opens", async () => {
  // Among them is a kill between the write of a group that rolls and its sync.
  for (const killedAt of [2, 3, 4, 5, 6]) {
    const turns = await eachTurn(async (turn) => {
      const story = new Story(turn);
      await story.live(
        (process) => process.dieAt(killedAt, "killed", isLogSync),
        (store) => story.commits(store, 5),
      );
      await story.live((process) =>
        process.inject({ operation: "datasync", errno: "ENOSPC", path: /\.wal$/, nth: turn }),
      );
      const fired = story.lastFired;
      await story.live(
        () => undefined,
        async (store) => {
          await story.commit(store);
          story.machine.cutPower(keepNothing);
        },
      );
      await story.end(`killed at sync ${killedAt}, then sync ${turn} failed`);
      return fired > 0 ? "reached" : "over";
    });
    assert.ok(turns > 0);
  }
});

test("seed 320: a creation killed at any operation and a power cut much later leave a store that opens", async () => {
  const turns = await eachTurn(async (turn) => {
    const story = new Story(turn);
    const end = await story.live((process) => process.dieAt(turn, "killed"));
    await story.live(
      () => undefined,
      async (store) => {
        await story.commit(store);
        story.machine.cutPower(keepNothing);
      },
    );
    await story.end(`turn ${turn}`);
    return end === "died" ? "reached" : "over";
  });
  assert.ok(turns > 20, `${turns} operations`);
});

for (const times of ["once", "forever"] as const) {
  test(`seeds 54, 253, 1139, 2295, 9618: closes of files that fail ${times} from any on leave no file open`, async () => {
    const turns = await eachTurn(async (turn) => {
      const story = new Story(turn);
      await story.live(
        () => undefined,
        (store) => story.commits(store, 7),
      );
      await story.live(
        (process) => process.inject({ operation: "close", errno: "EIO", nth: turn, times }),
        async (store) => {
          // A session that is loaded again reads from every segment its records lie in.
          await story.look(store);
          await story.commits(store, 3);
        },
      );
      const fired = story.lastFired;
      await story.end(`close ${turn}`);
      return fired > 0 ? "reached" : "over";
    });
    assert.ok(turns > 10, `${turns} closes`);
  });
}

test("seeds 1383, 2552 and others: a removed manifest that a power cut brought back is no generation to fall back to", () => {
  const story = new Story();
  const { files } = story.machine;
  files.makeDirectory("/disk");
  files.makeDirectory(ROOT);
  const put = (number: number): void => {
    const file = files.open(`${ROOT}/manifest-00000${number}`, "create");
    file.write([Buffer.alloc(64)], 0);
    file.close();
  };
  const rot = new Rot();
  const harm = (): boolean => rot.harmNewestManifest(story.machine, ROOT, new Random(1));
  put(4);
  assert.equal(harm(), false, "the only one");
  put(5);
  assert.equal(harm(), true);
  files.remove(`${ROOT}/manifest-000005`);
  put(3);
  assert.equal(harm(), false, "its file was dropped, and 3 is older than both");
  put(5);
  assert.equal(harm(), true, "published anew");
});
