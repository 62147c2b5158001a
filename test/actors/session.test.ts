/**
 * A session's actor over services that the test drives by hand: what it answers when, what readers see
 * meanwhile, and that nothing that goes wrong inside leaves a caller waiting or a session in memory for ever.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { append, commit, messageNode } from "../support/builders.ts";
import { SessionRig } from "./session-rig.ts";

test("results, replays, refusals and no-ops wait for the writes they were decided on, in call order", () => {
  const rig = new SessionRig();
  rig.commit("first", commit({ operationId: "op", graph: append([messageNode("a")], "a") }));
  rig.commit("replay", commit({ operationId: "op", graph: append([messageNode("a")], "a") }));
  rig.commit("conflict", commit({ expectedHeadRevision: 7 }));
  rig.commit("second", commit());
  rig.commit("collision", commit({ graph: append([messageNode("a")], "a") }));
  assert.deepEqual(rig.told, []);
  assert.equal(rig.revision(), undefined, "readers see nothing that is not durable");
  assert.equal(rig.cell.waiting, 5);
  rig.durable();
  assert.deepEqual(rig.told, ["first: 1", "replay: 1 again", "conflict: HEAD_REVISION_CONFLICT"]);
  assert.equal(rig.revision(), 1);
  rig.durable();
  assert.deepEqual(rig.told.slice(3), ["second: 2", "collision: NODE_ID_COLLISION"]);
  assert.equal(rig.revision(), 2);
  assert.equal(rig.cell.waiting, 0);
});

test("after the log failed nothing unacknowledged is ever seen, and nobody waits", () => {
  const rig = new SessionRig();
  rig.commit("first", commit());
  rig.durable();
  rig.commit("second", commit());
  rig.commit("refused", commit({ expectedHeadRevision: 0 }));
  rig.die();
  rig.commit("third", commit());
  rig.commit("late refusal", commit({ expectedHeadRevision: 0 }));
  assert.deepEqual(rig.told, [
    "first: 1",
    "second: COMMIT_OUTCOME_UNKNOWN",
    "refused: COMMIT_OUTCOME_UNKNOWN",
    "third: STORE_POISONED",
    "late refusal: COMMIT_OUTCOME_UNKNOWN",
  ]);
  assert.equal(rig.revision(), 1);
  assert.equal(rig.cell.waiting, 0);
});

test("a planner that throws costs its own call and nothing else", () => {
  const rig = new SessionRig();
  rig.commit("first", commit());
  rig.write("broken", () => {
    throw new TypeError("a bug");
  });
  rig.commit("second", commit());
  rig.durable();
  rig.durable();
  assert.deepEqual(rig.told.toSorted(), ["broken: INTERNAL", "first: 1", "second: 2"]);
  assert.equal(rig.status, "active");
  assert.equal(rig.cell.waiting, 0);
  assert.deepEqual(rig.poisoned, []);
});

test("a session that cannot be loaded answers why, keeps nothing, and is tried again", () => {
  const rig = new SessionRig();
  rig.loadFails = true;
  rig.commit("damaged", commit());
  rig.meta("damaged too");
  assert.deepEqual(rig.told, ["damaged: CORRUPT", "damaged too: CORRUPT"]);
  assert.equal(rig.cell.waiting, 0);
  assert.equal(rig.cell.loaded, undefined);
  rig.loadFails = false;
  rig.commit("mended", commit());
  rig.durable();
  assert.equal(rig.told.at(-1), "mended: 1");
  assert.equal(rig.loads, 3);
});

test("what comes while a session is loaded is answered behind it, in call order", async () => {
  const rig = new SessionRig();
  rig.loadTurns = 2;
  rig.commit("first", commit());
  assert.equal(await rig.turn(), true);
  rig.commit("conflict", commit({ expectedHeadRevision: 7 }));
  rig.meta("meta");
  assert.equal(rig.cell.loaded, undefined);
  assert.ok(rig.cell.isBusy, "so that it does not leave memory half loaded");
  assert.ok(rig.waitingBytes > 0);
  assert.equal(await rig.turn(), true);
  assert.equal(await rig.turn(), false);
  rig.commit("second", commit());
  for (let n = 0; n < 3; n++) rig.durable();
  assert.deepEqual(rig.told, ["first: 1", "conflict: HEAD_REVISION_CONFLICT", "meta: saved", "second: 2"]);
  assert.deepEqual([rig.loads, rig.waitingBytes, rig.cell.isBusy], [1, 0, false]);
});

test("a long load that fails answers all that waited for it, and is tried again by who comes later", async () => {
  const rig = new SessionRig();
  rig.loadTurns = 1;
  rig.loadFails = true;
  rig.commit("damaged", commit());
  rig.meta("damaged too");
  assert.deepEqual(rig.told, []);
  await rig.turn();
  assert.deepEqual(rig.told, ["damaged: CORRUPT", "damaged too: CORRUPT"]);
  assert.deepEqual([rig.loads, rig.waitingBytes, rig.cell.isBusy], [1, 0, false]);
  rig.loadFails = false;
  rig.commit("mended", commit());
  await rig.turn();
  rig.durable();
  assert.equal(rig.told.at(-1), "mended: 1");
});

test("a record that was written and cannot be applied poisons the store: log and memory disagree", () => {
  const rig = new SessionRig();
  rig.commit("first", commit());
  rig.durable();
  rig.commit("in flight", commit());
  rig.write("impossible", () => ({
    kind: "accepted",
    // Names a node that is not there, which no plan would do.
    record: { kind: "tombstone", sessionId: "root", nodeIds: ["nobody"], picker: undefined },
    answer: "hidden",
  }));
  assert.equal(rig.poisoned.length, 1);
  rig.commit("later", commit());
  assert.deepEqual(rig.told, [
    "first: 1",
    "in flight: COMMIT_OUTCOME_UNKNOWN",
    "impossible: COMMIT_OUTCOME_UNKNOWN",
    "later: STORE_POISONED",
  ]);
  assert.equal(rig.revision(), 1);
  assert.equal(rig.cell.waiting, 0);
  assert.equal(rig.status, "active");
});

test("for any course of calls each is answered once, readers see whole durable revisions that never go back", () => {
  const step = fc.constantFrom("commit", "conflict", "replay", "meta", "bug", "durable", "durable", "die");
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const rig = new SessionRig();
      let asked = 0;
      let seen = 0;
      for (const kind of steps) {
        const label = `${kind} ${asked}`;
        if (kind === "durable") rig.durable();
        else if (kind === "die") rig.die();
        else {
          asked++;
          if (kind === "commit") rig.commit(label, commit());
          if (kind === "conflict") rig.commit(label, commit({ expectedHeadRevision: 999 }));
          if (kind === "replay") rig.commit(label, commit({ operationId: "always the same" }));
          if (kind === "meta") rig.meta(label);
          if (kind === "bug") {
            rig.write(label, () => {
              throw new Error("a bug");
            });
          }
        }
        const revision = rig.revision() ?? 0;
        assert.ok(revision >= seen, "it never goes back");
        seen = revision;
        const acknowledged = rig.told.flatMap(
          (line) => /^(?:commit|replay) \d+: (\d+)/.exec(line)?.[1] ?? [],
        );
        assert.equal(Math.max(0, ...acknowledged.map(Number)), revision, "what is seen was acknowledged");
      }
      rig.die();
      assert.equal(rig.told.length, asked);
      assert.equal(rig.cell.waiting, 0);
    }),
  );
});
