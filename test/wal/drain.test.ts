/** One step of the log's work: what it tells when, and what it does when nobody can be told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { VfsFile } from "../../src/vfs/vfs.ts";
import { Drain } from "../../src/wal/drain.ts";
import { createLog } from "../../src/wal/log.ts";
import { Ring } from "../../src/wal/ring.ts";
import { SEGMENT_HEADER_BYTES } from "../../src/wal/segment.ts";
import { SyncWatch } from "../../src/wal/sync-watch.ts";
import type { SyncPolicy } from "../../src/wal/types.ts";
import { SpareGate, WORD_COUNT } from "../../src/wal/words.ts";
import { LogWriter } from "../../src/wal/writer.ts";
import { DIRECTORY, LogFixture, STORE_ID } from "./fixture.ts";

/** A drain whose writes, syncs and answers are noted in their order. */
function noted(sync: SyncPolicy) {
  const notes: string[] = [];
  const vfs = new MemoryVfs();
  const open = vfs.open.bind(vfs);
  const { config } = new LogFixture({ vfs });
  vfs.makeDirectory("/store");
  const start = createLog(config);
  vfs.open = (path, mode) => notedFile(open(path, mode), path.endsWith("TAIL") ? "TAIL" : "log", notes);
  const words = new Int32Array(new SharedArrayBuffer(4 * WORD_COUNT));
  const ring = new Ring(new SharedArrayBuffer(65_536), words);
  const watch = new SyncWatch(words, () => 0);
  const gate = new SpareGate(words, config.segmentBytes, () => {});
  const position = { segment: start.segment, offset: SEGMENT_HEADER_BYTES, lsn: 0, crc: 0, durable: 0 };
  let canAnswer = true;
  const drain = new Drain({
    ring,
    writer: new LogWriter(
      { vfs, directory: DIRECTORY, storeId: STORE_ID },
      position,
      config.segmentBytes,
      (bytes) => gate.take(bytes),
      watch,
    ),
    gate,
    sync,
    syncIntervalMs: 100,
    takeExternal: () => assert.fail("there is none"),
    watch,
    answer: (answer) => notes.push(answer.kind),
    canAnswer: () => canAnswer,
    now: () => 0,
  });
  const put = (): void => {
    assert.ok(ring.putFrame(1, Buffer.from("a record")));
    ring.publish();
  };
  const hear = (does: boolean): void => {
    canAnswer = does;
  };
  return { drain, notes, put, hear };
}

function notedFile(file: VfsFile, name: string, notes: string[]): VfsFile {
  const write = file.write.bind(file);
  const datasync = file.datasync.bind(file);
  file.write = (parts, offset) => {
    notes.push(`write ${name}`);
    write(parts, offset);
  };
  file.datasync = () => {
    notes.push(`sync ${name}`);
    datasync();
  };
  return file;
}

test("a commit is told of when it is synced and TAIL knows, so that a view beside shows it", () => {
  const { drain, notes, put } = noted("always");
  put();
  assert.equal(drain.step(), "worked");
  assert.deepEqual(notes, ["write log", "sync log", "write TAIL", "batch"]);
});

test("what is told of before its sync moves no TAIL", () => {
  const { drain, notes, put } = noted("never");
  put();
  assert.equal(drain.step(), "worked");
  assert.deepEqual(notes, ["write log", "batch"]);
});

test("while nobody can be told nothing is written, and nothing is lost", () => {
  const { drain, notes, put, hear } = noted("always");
  hear(false);
  put();
  assert.equal(drain.step(), "blocked");
  assert.equal(drain.step(), "blocked");
  assert.deepEqual(notes, []);
  hear(true);
  assert.equal(drain.step(), "worked");
  assert.equal(drain.step(), "idle");
  assert.deepEqual(notes, ["write log", "sync log", "write TAIL", "batch"]);
});
