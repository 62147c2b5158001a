/**
 * The chain of segments where a LINK says something that no writer says, with its checksum right: it is refused
 * by name, or it is no LINK. And what a later version may put into a sealed segment is passed over.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runThrough, type Steps } from "../../src/steps.ts";
import { withFaults } from "../../src/vfs/fault.ts";
import type { FileStat, OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { readHead } from "../../src/wal/chain.ts";
import { FrameType, GUARD_BYTES, imageOf, putFrame, saltSeed, stampFrame } from "../../src/wal/frame.ts";
import { readLast, walkSealed } from "../../src/wal/recovery.ts";
import { encodeLink, FIRST_DATA_AT, type Link, SEGMENT_HEADER_BYTES } from "../../src/wal/segment.ts";
import { walkLog } from "../../src/wal/walk.ts";
import { ForwardingVfs } from "../support/forwarding-vfs.ts";
import { CountedTurns } from "../support/turns.ts";
import { watchReads } from "../support/watch-reads.ts";
import {
  DIRECTORY,
  type LogFixture,
  opened,
  readFile,
  refusal,
  STORE_ID,
  segmentPathOf,
  writeFile,
} from "./fixture.ts";
import { TAIL } from "./small.ts";

interface Chain {
  readonly log: LogFixture;
  /** The segment that holds LSN 1 and 2, and behind it the last one, with a LINK and nothing more. */
  readonly sealed: number;
  readonly last: number;
  readonly link: Link;
}

/** Killed behind a roll. */
async function chain(): Promise<Chain> {
  const log = await opened();
  await log.write(100, 60);
  await log.roll();
  const { segment: sealed = 0 } = log.durable.get(2) ?? {};
  log.kill();
  const head = headOf(log, sealed + 1);
  assert.ok(head.kind === "linked");
  return { log, sealed, last: sealed + 1, link: head.link };
}

function place(log: LogFixture) {
  return { vfs: log.vfs, directory: DIRECTORY, storeId: STORE_ID };
}

function headOf(log: LogFixture, number: number) {
  return readHead(place(log), number);
}

/** Puts another LINK in the last segment's front; its frame says what `frame` says, and verifies. */
function relink({ log, last, link }: Chain, changed: Partial<Link>, frame: Partial<Link> = changed): void {
  const head = headOf(log, last);
  assert.ok(head.kind === "linked" || head.kind === "spare");
  const path = segmentPathOf(last);
  const bytes = readFile(log.vfs, path);
  const image = imageOf(bytes);
  const { lsn, crc } = { ...link, ...frame };
  putFrame(image, SEGMENT_HEADER_BYTES, FrameType.link, lsn, encodeLink({ ...link, ...changed }));
  stampFrame(image, SEGMENT_HEADER_BYTES, {
    durable: lsn,
    previousCrc: crc,
    framesLeft: 0,
    saltCrc: saltSeed(head.header.salt),
  });
  writeFile(log.vfs, path, bytes);
}

test("a LINK that names another segment than the one before it, or another salt of it, is refused by name", async () => {
  for (const changed of [{ previousSegment: 77 }, { previousSalt: 5n }]) {
    const given = await chain();
    relink(given, changed);
    const { file, offset } = await refusal(given.log.open());
    assert.deepEqual([file, offset], [segmentPathOf(given.last), SEGMENT_HEADER_BYTES]);
  }
});

test("a LINK that names an end behind the end of the file is refused, naming the file that is too short", async () => {
  for (const behind of [8, 2 ** 52]) {
    const given = await chain();
    const { size = 0 } = given.log.vfs.stat(segmentPathOf(given.sealed)) ?? {};
    relink(given, { end: size + behind });
    const { file, offset } = await refusal(given.log.open());
    assert.deepEqual([file, offset], [segmentPathOf(given.sealed), size]);
  }
});

test("a LINK that names an end where no frame ends is refused, the last frame in front of it being right", async () => {
  const given = await chain();
  relink(given, { end: given.link.end + 8 });
  const { file, offset } = await refusal(given.log.open());
  assert.deepEqual([file, offset], [segmentPathOf(given.sealed), given.link.end]);
});

test("a log that begins without a LINK begins with nothing in front of it", async () => {
  for (const claimed of [{ lsn: 5 }, { crc: 5 }]) {
    const log = await opened();
    const { start } = log;
    assert.ok(start);
    await log.write(10);
    log.kill();
    log.start = { ...start, ...claimed };
    const { file, offset } = await refusal(log.open());
    assert.deepEqual([file, offset], [segmentPathOf(start.segment), SEGMENT_HEADER_BYTES]);
  }
});

test("a LINK that says another LSN or checksum than its own frame is no LINK", async () => {
  const given = await chain();
  relink(given, {});
  assert.equal(headOf(given.log, given.last).kind, "linked");
  for (const changed of [{ lsn: given.link.lsn + 1 }, { crc: (given.link.crc ^ 1) >>> 0 }]) {
    relink(given, changed, {});
    assert.equal(headOf(given.log, given.last).kind, "spare", JSON.stringify(changed));
    relink(given, {});
  }
});

test("a frame in a sealed segment that this version may skip is handed to nobody, and the next LINK counts it", async () => {
  const given = await chain();
  const { log, sealed, link } = given;
  const walked = [...walkLog(place(log))].find(({ number }) => number === sealed);
  assert.ok(walked);
  const bytes = readFile(log.vfs, segmentPathOf(sealed));
  const image = imageOf(bytes);
  const end = putFrame(image, link.end, 0x85, link.lsn, Buffer.from("later"));
  const crc = stampFrame(image, link.end, {
    durable: link.lsn,
    previousCrc: link.crc,
    framesLeft: 0,
    saltCrc: saltSeed(walked.salt),
  });
  writeFile(log.vfs, segmentPathOf(sealed), bytes);
  relink(given, { end, crc });
  await log.open();
  assert.deepEqual(
    log.found.map(({ lsn }) => lsn),
    [1, 2],
  );
  log.check([1, 2]);
});

test("a segment that is missing in the middle is named although TAIL is lost as well", async () => {
  const { log, sealed } = await chain();
  log.vfs.remove(TAIL);
  log.vfs.remove(segmentPathOf(sealed));
  assert.equal((await refusal(log.open())).file, segmentPathOf(sealed));
});

test("what a segment without a LINK proves counts, and what stands in it is kept as torn", async () => {
  const given = await chain();
  const { log, link, last } = given;
  // Its frame verifies, and was written behind a sync of LSN 2.
  relink(given, { lsn: link.lsn + 1 }, {});
  const start = log.start ?? assert.fail();
  const ofChain = runThrough(walkSealed(place(log), start, () => assert.fail("nothing is linked"), {}));
  // A guard word has the spare behind it read whole, into the same memory.
  const spare = readFile(log.vfs, segmentPathOf(last + 1));
  GUARD_BYTES.copy(spare, FIRST_DATA_AT);
  writeFile(log.vfs, segmentPathOf(last + 1), spare);
  const { durable, torn } = runThrough(readLast(place(log), ofChain, undefined, {}));
  assert.equal(durable, 2);
  assert.deepEqual(
    torn.map(({ segment, offset, bytes }) => [segment, offset, bytes.length]),
    [[last, SEGMENT_HEADER_BYTES, FIRST_DATA_AT - SEGMENT_HEADER_BYTES]],
  );
  const stands = Buffer.alloc(FIRST_DATA_AT - SEGMENT_HEADER_BYTES);
  const file = log.vfs.open(segmentPathOf(last), "read");
  file.read(stands, SEGMENT_HEADER_BYTES);
  file.close();
  assert.deepEqual(Buffer.from(torn[0]?.bytes ?? []), stands);
});

test("a log of any length is read into the same memory, segment by segment", async () => {
  const log = await opened();
  for (let segment = 0; segment < 6; segment++) {
    await log.write(50_000);
    await log.roll();
  }
  log.kill();
  const memory = new Set<ArrayBufferLike>();
  const watched = watchReads(log.vfs, (_path, _position, target) => {
    if (target.length > 50_000) memory.add(target.buffer);
  });
  let records = 0;
  const room = {};
  const reading = { ...place(log), vfs: watched };
  const last = runThrough(walkSealed(reading, log.start ?? assert.fail(), () => void records++, room));
  runThrough(readLast(reading, last, undefined, room));
  assert.equal(records, 6);
  // One for all of them, one to look through spares.
  assert.ok(memory.size <= 2, `${memory.size} pieces of memory for six sealed segments and the last`);
});

test("a step of an opening reads one segment at most, sealed, last or spare", async () => {
  const log = await opened();
  for (let segment = 0; segment < 3; segment++) {
    await log.write(50_000);
    await log.roll();
  }
  await log.write(100);
  log.kill();
  const counted = new CountedTurns(log.vfs);
  const [all] = counted.turns;
  assert.ok(all);
  const opening = { ...place(log), vfs: counted };
  const start = log.start ?? assert.fail();
  const steps = (function* (): Steps<unknown> {
    const room = {};
    return yield* readLast(opening, yield* walkSealed(opening, start, () => {}, room), undefined, room);
  })();
  const reads: number[] = [];
  for (let done = false; !done; all.read = 0) {
    done = steps.next().done === true;
    reads.push(all.read);
  }
  // Beside it the fronts of the next ones, to see which is linked.
  assert.ok(Math.max(...reads) < 1.5 * log.config.segmentBytes, `${reads}`);
  assert.ok(reads.reduce((sum, read) => sum + read) > 6 * 50_000, "three sealed ones, the last, two spares");
});

/** The owner takes a file away behind a listing, but for the first one, which only looks whether something moves. */
class LosingVfs extends ForwardingVfs {
  lost = 0;
  listings = 0;
  readonly #file: string;
  constructor(inner: Vfs, file: string) {
    super(inner);
    this.#file = file;
  }
  override list(path: string): string[] {
    const names = super.list(path);
    if (++this.listings > 1 && super.remove(this.#file)) this.lost++;
    return names;
  }
}

test("a spare that a live owner takes away between the listing and the look is nobody's loss", async () => {
  const log = await opened();
  await log.write(100);
  const { segment = 0 } = log.durable.get(1) ?? {};
  const spare = segmentPathOf(segment + 2);
  assert.ok(log.vfs.stat(spare) !== undefined);
  const losing = new LosingVfs(log.vfs, spare);
  const reader = log.on(losing);
  assert.deepEqual(reader.scan(), [1]);
  // One look to see whether something moves, one listing of what is behind the last segment; no second attempt.
  assert.deepEqual([losing.lost, losing.listings], [1, 2]);
});

/** The owner takes a file away behind the look whether it is there. */
class TakingVfs extends ForwardingVfs {
  taken = 0;
  readonly #file: string;
  constructor(inner: Vfs, file: string) {
    super(inner);
    this.#file = file;
  }
  override stat(path: string): FileStat | undefined {
    const found = super.stat(path);
    this.#take(path);
    return found;
  }
  override open(path: string, mode: OpenMode): VfsFile {
    this.#take(path);
    return super.open(path, mode);
  }
  #take(path: string): void {
    if (path === this.#file && super.remove(path)) this.taken++;
  }
}

test("a spare that a live owner takes away between the look and the opening is nobody's loss", async () => {
  const log = await opened();
  await log.write(100);
  const { segment = 0 } = log.durable.get(1) ?? {};
  const taking = new TakingVfs(log.vfs, segmentPathOf(segment + 1));
  const reader = log.on(taking);
  reader.start = log.start;
  assert.deepEqual(reader.scan(), [1]);
  assert.equal(taking.taken, 1);
});

test("a walk that starts again beside a live owner hands out no record twice", async () => {
  const log = await opened();
  await log.write(100, 60);
  await log.roll();
  await log.write(40);
  const { segment = 0 } = log.durable.get(3) ?? {};
  const faulty = withFaults(log.vfs);
  // Looked at for the fingerprint and for its LINK, and then read: behind the records of the sealed segment.
  faulty.inject({ operation: "open", errno: "EIO", path: new RegExp(segmentPathOf(segment)), nth: 3 });
  const losing = new LosingVfs(faulty, segmentPathOf(segment + 1));
  const reader = log.on(losing);
  reader.start = log.start;
  assert.deepEqual(reader.scan(), [1, 2, 3]);
  assert.deepEqual([faulty.fired.length, losing.lost], [1, 1]);
});
