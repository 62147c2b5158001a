/** Bad histories of every kind, made by hand: each is named by the promise it breaks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { storeError } from "../../../src/errors.ts";
import type { SessionSeen } from "../../../src/testing/history/events.ts";
import { recordCommit } from "../../../src/testing/history/record.ts";
import { append, commit, messageNode } from "../../support/builders.ts";
import { meta, type Step, Story, steps } from "./story.ts";

const [one, two, three] = steps(3) as [Step, Step, Step];
const DONE = { kind: "done" } as const;

/** Exactly this promise is broken, with words that say how. */
function breaks(story: Story, rule: RegExp, message: RegExp): void {
  const violations = story.history.check();
  assert.equal(violations.length, 1, JSON.stringify(violations));
  assert.match(violations[0]?.rule ?? "", rule);
  assert.match(violations[0]?.message ?? "", message);
}

function holds(story: Story): void {
  assert.deepEqual(story.history.check(), []);
}

test("commits, reads and reopenings that the contract allows break nothing", () => {
  const story = new Story();
  story.reads(undefined);
  story.commits(one, 1);
  story.reads(one.seen);
  story.reopens("closed");
  story.commits(two, 2);
  story.commits(one, 1, { replayed: true });
  story.reopens("powerCut");
  story.reads(two.seen);
  holds(story);
});

test("an acknowledged commit that a power cut took is lost", () => {
  const story = new Story();
  story.commits(one, 1);
  story.commits(two, 2);
  story.reopens("powerCut");
  story.reads(one.seen);
  breaks(story, /lost/, /revision 1 instead of 2; that was write 1 of the session, write 2 was durable/);
});

test("a policy that promises less may lose what was acknowledged, but only from the end", () => {
  const lossy = (seen: SessionSeen): Story => {
    const story = new Story();
    story.history.ended("closed");
    story.history.opened({ sync: "never" });
    for (const [index, step] of [one, two, three].entries()) story.commits(step, index + 1);
    story.reopens("powerCut");
    story.reads(seen);
    return story;
  };
  holds(lossy(one.seen));
  breaks(lossy({ ...three.seen, nodes: [...one.seen.nodes] }), /state/, /1 nodes instead of 3/);
});

test("a snapshot makes good what a lossy policy had only acknowledged", () => {
  const story = new Story();
  story.history.ended("closed");
  story.history.opened({ sync: "interval" });
  story.commits(one, 1);
  story.asks({ kind: "snapshot" }, DONE, "");
  story.reopens("powerCut");
  story.reads(undefined);
  breaks(story, /lost/, /no head instead of revision 1/);
});

test("a revision answered twice is not dense and unique", () => {
  const story = new Story();
  story.commits(one, 1);
  story.commits(two, 1);
  breaks(story, /answers what the contract says/, /revision 1 instead of 2/);
});

test("a revision left out is not dense", () => {
  const story = new Story();
  story.commits(one, 1);
  story.commits(two, 3);
  breaks(story, /answers what the contract says/, /revision 3 instead of 2/);
});

test("a read that began after an acknowledgement and does not see it is too old", () => {
  const story = new Story();
  story.commits(one, 1);
  const read = story.history.invoked("s", { kind: "load", scope: "fullGraph", leaf: undefined });
  story.commits(two, 2);
  story.history.answered(read, { kind: "session", session: one.seen });
  holds(story);
  story.reads(one.seen);
  breaks(story, /lost/, /write 1 of the session, write 2 was durable/);
});

test("a read of a state that no write left is named", () => {
  const story = new Story();
  story.commits(one, 1);
  story.reads({ ...one.seen, leaf: "n9" });
  breaks(story, /equals the state/, /leaf n9 instead of n1; no write from 1 to 1/);
});

test("what a read showed of a commit in flight must survive", () => {
  const story = new Story();
  story.commits(one, 1);
  story.sends(two.commit);
  story.reads(two.seen);
  story.reopens("powerCut");
  story.reads(one.seen);
  breaks(story, /lost/, /write 2 was durable/);
});

test("a commit whose outcome is unknown may be there or not, from the next opening on for ever", () => {
  const unknown = (...seen: (SessionSeen | undefined)[]): Story => {
    const story = new Story();
    story.refuses(recordCommit(one.commit), storeError("COMMIT_OUTCOME_UNKNOWN", {}, "the log failed"));
    story.reopens("closed");
    for (const read of seen) story.reads(read);
    return story;
  };
  holds(unknown(undefined, undefined));
  holds(unknown(one.seen, one.seen));
  breaks(unknown(one.seen, undefined), /lost/, /write 0 of the session, write 1 was durable/);
  breaks(unknown(undefined, one.seen), /never appears later/, /ruled out before/);
});

test("commits in flight may survive a crash as any prefix of them, and as nothing else", () => {
  const crash = (seen: SessionSeen | undefined): Story => {
    const story = new Story();
    for (const step of [one, two, three]) story.sends(step.commit);
    story.reopens("powerCut");
    story.reads(seen);
    return story;
  };
  for (const seen of [undefined, one.seen, two.seen, three.seen]) holds(crash(seen));
  const holed = { ...two.seen, nodes: two.seen.nodes.slice(1) };
  breaks(crash(holed), /equals the state/, /1 nodes instead of 2|revision 2 instead of/);
});

test("an unknown commit that was left out never appears later", () => {
  const story = new Story();
  story.commits(one, 1);
  story.sends(two.commit);
  story.reopens("powerCut");
  story.reads(one.seen);
  story.reads(two.seen);
  breaks(story, /never appears later/, /was ruled out before, when load showed revision 1 instead of 2/);
});

test("an unknown commit that was kept never vanishes", () => {
  const story = new Story();
  story.commits(one, 1);
  story.sends(two.commit);
  story.reopens("killed");
  story.reads(two.seen);
  story.reopens("powerCut");
  story.reads(one.seen);
  breaks(story, /lost/, /write 2 was durable/);
});

test("a retry of an unknown commit is a replay or the first, and a replay answers the first result", () => {
  const retry = (revision: number, replayed: boolean): Story => {
    const story = new Story();
    story.sends(one.commit);
    story.reopens("killed");
    story.commits(one, revision, { replayed });
    story.reads(one.seen);
    return story;
  };
  holds(retry(1, true));
  holds(retry(1, false));
  breaks(retry(2, true), /answers what the contract says/, /revision 2 instead of 1/);
});

test("an operation that was acknowledged is not taken again", () => {
  const story = new Story();
  story.commits(one, 1);
  story.reopens("closed");
  story.commits(one, 2);
  breaks(story, /answers what the contract says/, /took operation op-1 again, which had made revision 1/);
});

test("an operation that never took place is not replayed", () => {
  const story = new Story();
  story.commits(one, 1, { replayed: true });
  breaks(story, /answers what the contract says/, /replayed an operation that never took place/);
});

test("a conflict where the revision was right, and a success where it was wrong, are named", () => {
  const refused = new Story();
  refused.refuses(
    recordCommit(one.commit),
    storeError("HEAD_REVISION_CONFLICT", { expected: 0, actual: 1 }, "conflict"),
  );
  breaks(refused, /refusal is one the contract asks for/, /HEAD_REVISION_CONFLICT .* instead of success/);
  const taken = new Story();
  taken.commits(two, 1);
  breaks(taken, /answers what the contract says/, /instead of HEAD_REVISION_CONFLICT/);
});

test("a session that was deleted does not come back", () => {
  const deleted = (): Story => {
    const story = new Story();
    story.commits(one, 1);
    story.asks({ kind: "delete" }, { kind: "deleted", existed: true });
    story.reads(undefined);
    story.reopens("powerCut");
    return story;
  };
  holds(deleted());
  const seen = deleted();
  seen.reads(one.seen);
  breaks(seen, /lost/, /write 1 of the session, write 2 was durable/);
  const used = deleted();
  used.commits(one, 1);
  breaks(used, /answers what the contract says/, /instead of SESSION_DELETED/);
});

function hides(): { story: Story; hidden: SessionSeen } {
  const story = new Story();
  story.commits(one, 1);
  const side = messageNode("x", "n1");
  const extra = commit({ sessionId: "s", graph: append([side], "n1") });
  const call = recordCommit(extra);
  const id = story.sends(extra);
  const seen: SessionSeen = {
    ...one.seen,
    revision: 2,
    nodes: [...one.seen.nodes, ...call.nodes],
    refs: {},
    values: {},
  };
  story.commitAnswered(id, { commit: extra, seen }, { revision: 2 });
  story.reads(seen);
  story.asks({ kind: "tombstone", ids: ["x"] }, DONE);
  const hidden = { ...seen, nodes: one.seen.nodes };
  story.reads(hidden);
  return { story, hidden };
}

test("a tombstoned node does not return, and its id is taken until a vacuum", () => {
  const returned = hides().story;
  const third = commit({ sessionId: "s", graph: append([messageNode("y", "n1")], "n1") });
  const id = returned.sends(third);
  returned.commitAnswered(id, { commit: third, seen: { ...one.seen, refs: {} } }, { revision: 3 });
  const y = recordCommit(third).nodes;
  const x = recordCommit(commit({ graph: append([messageNode("x", "n1")], "n1") })).nodes;
  returned.reads({ ...one.seen, revision: 3, refs: {}, values: {}, nodes: [...one.seen.nodes, ...x, ...y] });
  breaks(returned, /equals the state/, /3 nodes instead of 2; node 1 is "x"/);
  const reused = hides().story;
  const again = commit({ sessionId: "s", graph: append([messageNode("x", "n1")], "x") });
  const answered = reused.sends(again);
  reused.commitAnswered(answered, { commit: again, seen: { ...one.seen, refs: {} } }, { revision: 3 });
  breaks(reused, /answers what the contract says/, /instead of NODE_ID_COLLISION/);
});

test("a vacuum counts what it removed, and removed nodes stay away", () => {
  const { story, hidden } = hides();
  story.asks({ kind: "vacuum" }, { kind: "vacuum", removed: 1 });
  story.asks({ kind: "vacuum" }, { kind: "vacuum", removed: 0 });
  story.reopens("powerCut");
  story.reads(hidden);
  holds(story);
  story.asks({ kind: "vacuum" }, { kind: "vacuum", removed: 1 });
  breaks(story, /answers what the contract says/, /"removed":1.* instead of .*"removed":0/);
});

test("a ledger that is not the sum of all usage is named", () => {
  const story = new Story();
  story.commits(one, 1);
  story.commits(two, 2);
  story.reads({ ...two.seen, ledger: one.seen.ledger });
  breaks(story, /equals the state/, /ledger \["turn", "m": 1 0 0 0\] instead of \["turn", "m": 2 0 0 0\]/);
});

test("a component of another value, a wrong address and a blob that is gone are named", () => {
  const other = new Story();
  other.commits(one, 1);
  other.reads({ ...one.seen, values: { toolState: "{}" } });
  breaks(other, /equals the state/, /toolState \{\} instead of/);
  const address = new Story();
  address.commits(one, 1);
  address.reads({ ...one.seen, wrongAddress: "toolState" });
  breaks(address, /hashes right/, /toolState that does not hash to its ref/);
  const gone = new Story();
  gone.commits(one, 1);
  const error = storeError("BLOB_MISSING", { ref: "abc" }, "the blob abc is gone");
  gone.refuses({ kind: "load", scope: "fullGraph", leaf: undefined }, error);
  breaks(gone, /nothing is damaged/, /BLOB_MISSING: the blob abc is gone/);
});

function carrying(revision: number, { seen }: Step): Step {
  const ref = seen.refs.toolState as never;
  const value = commit({
    sessionId: "s",
    checkpoint: { ...one.commit.checkpoint, toolState: undefined as never, toolStateRef: ref },
  });
  const call = recordCommit(value);
  return { commit: value, seen: { ...seen, revision, leaf: undefined, turn: call.turn } };
}

test("a ref of the own head can always be carried", () => {
  const story = new Story();
  story.commits(one, 1);
  const error = storeError("BLOB_MISSING", { ref: "abc" }, "gone");
  story.refuses(recordCommit(carrying(2, one).commit), error);
  breaks(story, /refusal is one the contract asks for/, /BLOB_MISSING \(gone\) instead of success/);
});

test("a blob that a gc collected cannot be carried any more", () => {
  const collected = (between: (story: Story) => void): Story => {
    const story = new Story();
    story.commits(one, 1);
    story.commits(two, 2);
    between(story);
    story.commits(carrying(3, one), 3);
    return story;
  };
  holds(collected(() => undefined));
  const afterGc = collected((story) => story.asks({ kind: "gc" }, DONE, ""));
  breaks(afterGc, /collected blob does not exist/, /could carry [0-9a-f]{64}, which a gc had collected/);
});

test("LSNs that do not grow are named, also across reopening", () => {
  const back = new Story();
  back.history.log({ lastLsn: 7, durableLsn: 7 });
  back.reopens("powerCut");
  back.history.log({ lastLsn: 6, durableLsn: 6 });
  breaks(back, /LSNs only grow/, /the last LSN is 6 after 7/);
  const still = new Story();
  still.history.log({ lastLsn: 7, durableLsn: 7 });
  still.commits(one, 1);
  still.history.log({ lastLsn: 7, durableLsn: 7 });
  breaks(still, /LSNs only grow/, /the last LSN is 7 after 7 and 1 commits/);
});

test("a second owner is named", () => {
  const story = new Story();
  const error = storeError("STORE_LOCKED", { owner: { pid: 1, host: "h" } }, "locked");
  story.refuses({ kind: "secondOpen" }, error, "");
  holds(story);
  story.asks({ kind: "secondOpen" }, DONE, "");
  breaks(story, /second opener is refused/, /a second owner opened the store/);
});

function lists(story: Story, sessionIds: readonly string[]): void {
  const entries = sessionIds.map((sessionId) => ({
    sessionId,
    revision: 1,
    cwd: undefined,
    parent: undefined,
    firstUserMessage: "text of n1",
    userMessageCount: 1,
  }));
  story.asks({ kind: "list", includeChildren: false, partial: false }, { kind: "entries", entries }, "");
}

test("a listing shows every session once, the last commit first, each in a state it has", () => {
  const [a] = steps(1, "a") as [Step];
  const [b] = steps(1, "b") as [Step];
  const listing = (sessionIds: readonly string[]): Story => {
    const story = new Story();
    story.commits(a, 1);
    story.commits(b, 1);
    lists(story, sessionIds);
    return story;
  };
  holds(listing(["b", "a"]));
  breaks(listing(["a", "b"]), /last commit first/, /behind a session with an older commit/);
  breaks(listing(["b"]), /lost/, /a listing left out the session: state 1 must be listed/);
  breaks(listing(["b", "a", "b"]), /last commit first/, /twice/);
  const story = listing(["b", "a"]);
  story.asks({ kind: "saveMeta", meta: meta("c") }, DONE, "c");
  lists(story, ["b", "a", "c"]);
  breaks(story, /equals the state/, /revision 1 instead of undefined/);
});

test("a view shows its moment: nothing older, nothing newer, whatever its owner does meanwhile", () => {
  const view = (seen: SessionSeen | undefined): Story => {
    const story = new Story();
    story.commits(one, 1);
    story.asks({ kind: "view", view: 0 }, DONE, "");
    story.commits(two, 2);
    story.reopens("closed");
    const read = { kind: "load", scope: "fullGraph", leaf: undefined, view: 0 } as const;
    story.asks(read, { kind: "session", session: seen });
    return story;
  };
  holds(view(one.seen));
  breaks(view(undefined), /lost/, /no head instead of revision 1/);
  breaks(view(two.seen), /before it is durable/, /write 2 of the session, 1 had begun/);
});

test("a view between two owners may lack what a crash left, until the next owner has taken it up", () => {
  const between = (seen: SessionSeen | undefined, owner: "none" | "next"): Story => {
    const story = new Story();
    story.sends(one.commit);
    story.history.ended("killed");
    if (owner === "next") story.history.opened();
    story.asks({ kind: "view", view: 0 }, DONE, "");
    const read = { kind: "load", scope: "fullGraph", leaf: undefined, view: 0 } as const;
    story.asks(read, { kind: "session", session: seen });
    if (owner === "none") story.history.opened();
    story.reads(one.seen);
    return story;
  };
  holds(between(undefined, "none"));
  holds(between(one.seen, "none"));
  holds(between(one.seen, "next"));
  breaks(between(undefined, "next"), /never appears later/, /ruled out before/);
});

test("damage is named unless the test makes it itself", () => {
  const story = new Story();
  const error = storeError("CORRUPT", { file: "f" }, "f is damaged");
  story.refuses({ kind: "load", scope: "fullGraph", leaf: undefined }, error);
  story.asks(
    { kind: "verify" },
    { kind: "problems", problems: [{ code: "CORRUPT", text: "CORRUPT in f" }] },
    "",
  );
  assert.deepEqual(
    story.history.check().map(({ rule }) => rule),
    ["nothing is damaged", "nothing is damaged"],
  );
  assert.deepEqual(story.history.check({ damage: true }), []);
});

test("what a disk or a queue refuses has no effect, and that is believed", () => {
  const story = new Story();
  story.refuses(recordCommit(one.commit), storeError("STORE_FULL", { neededBytes: 1 }, "full"));
  story.reads(undefined);
  story.commits(one, 1);
  holds(story);
});

test("a history of 5,000 commits of one session and as many reads of its head is checked in one pass", () => {
  const story = new Story();
  const [first] = steps(1) as [Step];
  story.commits(first, 1);
  let { seen } = first;
  for (let revision = 2; revision <= 5_000; revision++) {
    const value = commit({ sessionId: "s", graph: { kind: "unchanged", leafNodeId: "n1" } });
    const call = recordCommit(value);
    seen = { ...seen, revision, refs: {}, values: {}, turn: call.turn };
    const id = story.sends(value);
    story.commitAnswered(id, { commit: value, seen }, { revision });
    story.reads(seen);
  }
  holds(story);
});
