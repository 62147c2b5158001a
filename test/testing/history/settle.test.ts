/**
 * Histories too long to keep: taken in parts, with the past let go of between them, they break the same promises as in one
 * piece; and what is let go of costs nothing any more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { storeError } from "../../../src/errors.ts";
import { checkHistory, HistoryCheck } from "../../../src/testing/history/check.ts";
import type { HistoryEvent, Violation } from "../../../src/testing/history/events.ts";
import { recordCommit } from "../../../src/testing/history/record.ts";
import { commit } from "../../support/builders.ts";
import { meta, type Step, Story, steps } from "./story.ts";

const [one, two, three] = steps(3) as [Step, Step, Step];
/** Events in which what nobody holds is remembered: none of these stories is as long. */
const REMEMBERED = 1_000;

function inTwo(events: readonly HistoryEvent[], at: number): Violation[] {
  const check = new HistoryCheck();
  check.take(events.slice(0, at));
  check.settle(REMEMBERED);
  check.take(events.slice(at));
  return check.violations();
}

/** Places where no call is without its answer. */
function quietPlaces(events: readonly HistoryEvent[]): number[] {
  const open = new Set<number>();
  return events.flatMap((event, at) => {
    if (event.type === "invoked") open.add(event.id);
    if (event.type === "answered") open.delete(event.id);
    if (event.type === "ended") open.clear();
    return open.size === 0 ? [at + 1] : [];
  });
}

function rulesOf(violations: readonly Violation[]): string[] {
  return violations.map(({ rule }) => rule);
}

const STORIES: Readonly<Record<string, { rule: RegExp | undefined; tell: (story: Story) => void }>> = {
  "nothing is wrong": {
    rule: undefined,
    tell: (story) => {
      story.commits(one, 1);
      story.reads(one.seen);
      story.commits(two, 2);
      story.asks({ kind: "list", includeChildren: true, partial: true }, { kind: "entries", entries: [] });
      story.commits(one, 1, { replayed: true });
      story.reopens("killed");
      story.reads(two.seen);
      story.commits(three, 3);
      story.asks({ kind: "saveMeta", meta: meta("s") }, { kind: "done" });
      story.reads(three.seen);
      story.asks({ kind: "delete" }, { kind: "deleted", existed: true });
      story.reads(undefined);
      story.refuses(recordCommit(one.commit), storeError("SESSION_DELETED", { sessionId: "s" }, "gone"));
    },
  },
  "an acknowledged commit is lost": {
    rule: /lost|state/,
    tell: (story) => {
      story.commits(one, 1);
      story.commits(two, 2);
      story.reads(two.seen);
      story.reopens("killed");
      story.reads(one.seen);
    },
  },
  "a receipt is forgotten": {
    rule: /answers what the contract says/,
    tell: (story) => {
      story.commits(one, 1);
      story.commits(two, 2);
      story.commits({ ...one, commit: { ...one.commit } }, 3);
    },
  },
  "a deleted session comes back": {
    rule: /state|lost/,
    tell: (story) => {
      story.commits(one, 1);
      story.asks({ kind: "delete" }, { kind: "deleted", existed: true });
      story.reads(undefined);
      story.reads(one.seen);
    },
  },
  "a collected blob is carried": {
    rule: /collected/,
    tell: (story) => {
      const { toolState } = one.seen.refs;
      story.commits(one, 1);
      story.commits(two, 2);
      story.asks({ kind: "gc" }, { kind: "done" });
      const carrying = commit({
        sessionId: "t",
        checkpoint: {
          ...one.commit.checkpoint,
          toolState: undefined as never,
          toolStateRef: toolState as never,
        },
      });
      const { turn } = recordCommit(carrying);
      const answer = {
        revision: 1,
        replayed: false,
        turn,
        refs: { toolState: toolState ?? "" },
        checkpointRef: "",
        wrongAddress: undefined,
      };
      story.asks(recordCommit(carrying), { kind: "commit", commit: answer }, "t");
    },
  },
};

for (const [name, { rule, tell }] of Object.entries(STORIES)) {
  test(`cut at any quiet place the judgement is the same: ${name}`, () => {
    const story = new Story();
    tell(story);
    const { events } = story.history;
    const whole = rulesOf(checkHistory(events));
    if (rule === undefined) assert.deepEqual(whole, []);
    else assert.match(whole.join(), rule);
    const places = quietPlaces(events);
    assert.ok(places.length >= 4);
    for (const at of places) {
      const found = rulesOf(inTwo(events, at));
      // What rests on the past is told in other words once that is gone.
      assert.equal(found.length, whole.length, `cut at ${at}: ${found}`);
      if (rule !== undefined) assert.match(found.join(), rule, `cut at ${at}`);
    }
  });
}

test("receipts are kept as long as the store keeps them, and no longer", () => {
  const story = new Story();
  story.history.ended("closed");
  story.history.opened({ receiptsKept: 1 });
  story.commits(one, 1);
  story.commits(two, 2);
  const { events } = story.history;
  const before = events.length;
  story.commits(two, 2, { replayed: true });
  assert.deepEqual(inTwo(events, before), []);
  // The older one is forgotten, so the store judges its revision, which is old.
  story.refuses(
    recordCommit(one.commit),
    storeError("HEAD_REVISION_CONFLICT", { expected: 0, actual: 2 }, "old"),
  );
  assert.deepEqual(inTwo(events, before), []);
});

test("a call that is in doubt keeps its session's past", () => {
  const story = new Story();
  story.commits(one, 1);
  story.refuses(recordCommit(two.commit), storeError("COMMIT_OUTCOME_UNKNOWN", {}, "the log failed"));
  const cut = story.history.events.length;
  story.reopens("killed");
  for (const seen of [one.seen, two.seen]) {
    const copy = story.history.copy();
    const id = copy.invoked("s", { kind: "load", scope: "fullGraph", leaf: undefined });
    copy.answered(id, { kind: "session", session: seen });
    assert.deepEqual(inTwo(copy.events, cut), [], `revision ${seen.revision}`);
  }
});
