/**
 * The read side when the log or the snapshot say what no store writes, every checksum right: it is CORRUPT, with
 * the session, and with file and offset where a record tells it; never a plain error, never wrong data.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Source } from "../../src/actors/source.ts";
import { Tail } from "../../src/actors/tail.ts";
import { KIB, MAX_LOADS_BEGUN_ANEW } from "../../src/limits.ts";
import { KeptBytes } from "../../src/session/kept-bytes.ts";
import { encodeRecord, type LogRecord } from "../../src/session/record.ts";
import { SnapshotView } from "../../src/snapshot/view.ts";
import { runThrough } from "../../src/steps.ts";
import {
  append,
  blobRecord,
  commitRecord,
  corruptionOf,
  node,
  observable,
  ROOT,
  SnapshotFixture,
  value,
} from "../snapshot/fixture.ts";

const SEGMENT = 7;
const FILE = "/store/wal/seven.wal";

/** A source over a snapshot in which session "a" has one commit, and a log that the test writes itself. */
class Given {
  readonly tail = new Tail();
  readonly source: Source;
  readonly #frames: Uint8Array[] = [];

  constructor(view: SnapshotView) {
    this.source = new Source({
      view: () => view,
      tail: this.tail,
      readFrame: (segment, offset) => {
        assert.equal(segment, SEGMENT);
        return this.#frames[offset] ?? assert.fail(`no frame at ${offset}`);
      },
      segmentName: () => FILE,
      receiptsKept: 10,
      isCondemned: () => false,
    });
  }

  /** Puts bytes into the log; answers their offset. */
  frame(bytes: Uint8Array): number {
    return this.#frames.push(bytes) - 1;
  }
  /** Enters a record of the session "a", whatever is really there. */
  enter(lsn: number, bytes: Uint8Array): number {
    const offset = this.frame(bytes);
    this.tail.addRecord({ kind: "commit", sessionId: "a" }, lsn, SEGMENT, offset, bytes.length);
    return offset;
  }
}

/** The snapshot covers LSN 1 and 2: two commits of "a". */
async function given(t: { after(fn: () => void): void }): Promise<Given & { lastLsn: number }> {
  const fixture = await SnapshotFixture.create();
  fixture.commit("a", { graph: append(node("1")) });
  fixture.commit("a", { graph: append(node("2", "1")) });
  await fixture.snapshot();
  const view = SnapshotView.open(fixture.vfs, ROOT, fixture.manifest);
  t.after(() => view.release());
  return Object.assign(new Given(view), { lastLsn: fixture.state("a").lastLsn });
}

/** Both ways to read a session refuse, with the same place. */
function refusesBoth({ source }: Given, problem: RegExp, offset: number): void {
  for (const read of [() => source.load("a"), () => source.headFigures("a")]) {
    const corruption = corruptionOf(read) ?? assert.fail("it is refused");
    const { file, offset: at, sessionId, message } = corruption;
    assert.deepEqual([file, at, sessionId], [FILE, offset, "a"]);
    assert.match(message, problem);
  }
}

test("records that the snapshot has already are passed over, and those behind it applied", async (t) => {
  const store = await given(t);
  const { lastLsn, source } = store;
  store.enter(lastLsn - 1, encodeRecord(commitRecord("a", 1)));
  store.enter(lastLsn, encodeRecord(commitRecord("a", 2)));
  store.enter(lastLsn + 1, encodeRecord(commitRecord("a", 3, { graph: append(node("3", "2")) })));
  const state = source.load("a");
  assert.deepEqual([state.head?.revision, state.head?.nodeCount], [3, 3]);
  assert.deepEqual([source.headFigures("a").head?.revision, source.headFigures("a").head?.nodeCount], [3, 3]);
});

test("a record that cannot be decoded is named with its place and session", async (t) => {
  const store = await given(t);
  refusesBoth(store, /record cannot be read/, store.enter(store.lastLsn + 1, Buffer.from("no record")));
});

test("a record of another session, or a part of a blob, is not taken for one of the session", async (t) => {
  const others: LogRecord[] = [commitRecord("b", 1), commitRecord("b", 3), blobRecord("x", "toolState")];
  for (const record of others) {
    const store = await given(t);
    const offset = store.enter(store.lastLsn + 1, encodeRecord(record));
    refusesBoth(store, /is not a record of session "a"/, offset);
  }
});

test("a record that does not follow is named with its place and session", async (t) => {
  const store = await given(t);
  refusesBoth(store, /does not follow/, store.enter(store.lastLsn + 1, encodeRecord(commitRecord("a", 9))));
});

/** Enters a blob whose parts are these records, and reads it. */
function readParts(store: Given, ref: ReturnType<typeof value>["ref"], size: number, parts: Uint8Array[]) {
  const blob = store.tail.addBlob(ref, "toolState", size, 9);
  const offsets = parts.map((part) => store.frame(part));
  for (const offset of offsets) blob.positions.push(SEGMENT, offset);
  return { offsets, read: () => store.source.readBlob(ref) };
}

test("a blob of the log is put together of its parts", async (t) => {
  const store = await given(t);
  const whole = blobRecord("x".repeat(100), "toolState");
  const parts = [
    { ...whole, at: 40, data: whole.data.subarray(40) },
    { ...whole, at: 0, data: whole.data.subarray(0, 40) },
  ];
  const { read } = readParts(store, whole.ref, whole.size, parts.map(encodeRecord));
  assert.deepEqual(Buffer.from(read() ?? []), Buffer.from(whole.data));
});

test("a place where no part of the blob stands is refused, whatever else stands there", async (t) => {
  const wanted = blobRecord("wanted", "toolState");
  for (const other of [blobRecord("other!", "toolState"), commitRecord("a", 3)]) {
    const store = await given(t);
    const { offsets, read } = readParts(store, wanted.ref, wanted.size, [encodeRecord(other)]);
    const corruption = corruptionOf(read) ?? assert.fail("it is refused");
    assert.deepEqual([corruption.file, corruption.offset], [FILE, offsets[0]]);
    assert.match(corruption.message, /is not a part of blob/);
  }
});

test("a blob whose bytes are not those of its ref is refused at its first part", async (t) => {
  const store = await given(t);
  const wanted = blobRecord("wanted", "toolState");
  const forged = encodeRecord({ ...wanted, data: value("forged").bytes });
  const { offsets, read } = readParts(store, wanted.ref, wanted.size, [forged]);
  const corruption = corruptionOf(read) ?? assert.fail("it is refused");
  assert.deepEqual([corruption.file, corruption.offset], [FILE, offsets[0]]);
  assert.match(corruption.message, /fails its hash/);
});

test("a value that cannot be decoded although its hash is right is told with its session, not as a plain error", async (t) => {
  const store = await given(t);
  const manifest = new KeptBytes(Buffer.from("no value at all"));
  const head = { ...(store.source.load("a").head ?? assert.fail()), manifest };
  const corruption = corruptionOf(() => store.source.hydrate("a", head)) ?? assert.fail("it is refused");
  assert.deepEqual([corruption.file, corruption.sessionId], [ROOT, "a"]);
  assert.match(corruption.message, /makes no sense/);
  assert.ok(corruption.cause instanceof Error);
});

/** A session of four pages of 100 KiB, with four such records behind them; a load reads the pages in two steps. */
async function longSession(t: { after(fn: () => void): void }) {
  const fixture = await SnapshotFixture.create();
  t.after(() => fixture.close());
  const grow = (n: number) =>
    fixture.commit("a", { graph: append(node(`${n}`, undefined, `${n} ${"x".repeat(100 * KIB)}`)) });
  for (let n = 0; n < 4; n++) grow(n);
  await fixture.snapshot();
  let view = SnapshotView.open(fixture.vfs, ROOT, fixture.manifest);
  t.after(() => view.release());
  const tail = new Tail();
  const frames: Uint8Array[] = [];
  for (let n = 4; n < 8; n++) {
    const bytes = encodeRecord(grow(n));
    const place = frames.push(bytes) - 1;
    tail.addRecord({ kind: "commit", sessionId: "a" }, fixture.lastLsn, SEGMENT, place, bytes.length);
  }
  const source = new Source({
    view: () => view,
    tail,
    readFrame: (_segment, offset) => frames[offset] ?? assert.fail(`no frame at ${offset}`),
    segmentName: () => FILE,
    receiptsKept: 10,
    isCondemned: () => false,
  });
  /** What a publication does to those who read: the next view is there, and the one before may go. */
  const publish = () => {
    const before = view;
    view = SnapshotView.open(fixture.vfs, ROOT, fixture.manifest);
    before.release();
  };
  return { fixture, source, tail, frames, publish };
}

test("a load whose records leave the log between two steps goes on from the snapshot that has them", async (t) => {
  const { fixture, source, tail, frames, publish } = await longSession(t);
  const steps = source.loadInSteps("a");
  assert.equal(steps.next().done, false);
  const covered = fixture.lastLsn;
  await fixture.snapshot();
  publish();
  tail.cut(covered);
  tail.drop(covered);
  frames.length = 0;
  assert.deepEqual(observable(runThrough(steps)), observable(fixture.state("a")));
});

test("a load that publications overtake again and again begins anew so many times, and then ends in one step", async (t) => {
  const { fixture, source, publish } = await longSession(t);
  const steps = source.loadInSteps("a");
  let step = steps.next();
  let begun = 0;
  for (; step.done !== true && begun < 100; begun++) {
    // Between its pages and its records; as the slices of a gc, it takes no record out of the log.
    assert.equal(steps.next().done, false, "the second half of the pages");
    publish();
    step = steps.next();
  }
  assert.equal(begun, MAX_LOADS_BEGUN_ANEW);
  assert.ok(step.done);
  assert.deepEqual(observable(step.value), observable(fixture.state("a")));
});
