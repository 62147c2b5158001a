/** One owner at a time, whoever asks and whatever happens to the files that say so. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { isStoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { append, commit, messageNode } from "../support/builders.ts";
import { failure, read, refuses } from "../support/expect.ts";
import { Owner } from "../support/owner.ts";
import { temporaryDirectory } from "../support/temporary.ts";

async function ownedHere(t: { after(fn: () => Promise<void> | void): void }) {
  const directory = join(temporaryDirectory(t), "store");
  const store = await openStore(directory);
  t.after(() => store.close());
  await store.session("root").commitRuntimeState(commit());
  return { directory, store };
}

test("a second open in the same process is refused at once and harms nothing", async (t) => {
  const { directory, store } = await ownedHere(t);
  const error = await refuses(openStore(directory), "STORE_LOCKED", {
    owner: { pid: process.pid, host: hostname() },
    retry: "same",
  });
  assert.match(error.message, new RegExp(`\\b${process.pid}\\b`));
  assert.equal((await store.session("root").commitRuntimeState(commit())).headRevision, 2);
});

test("another spelling of the directory is the same store", async (t) => {
  const { directory } = await ownedHere(t);
  for (const spelling of [`${directory}/`, join(directory, "wal", ".."), `${directory}/.`]) {
    await refuses(openStore(spelling), "STORE_LOCKED");
  }
});

test("a second open in a worker thread is refused", async (t) => {
  const { directory, store } = await ownedHere(t);
  const worker = new Worker(new URL("../support/second-open.mjs", import.meta.url), {
    workerData: directory,
  });
  t.after(() => worker.terminate());
  const [answer] = await once(worker, "message");
  assert.deepEqual([answer.opened, answer.code, answer.owner.pid], [false, "STORE_LOCKED", process.pid]);
  assert.equal((await store.session("root").commitRuntimeState(commit())).headRevision, 2);
});

test("a second open in another process is refused with the owner's pid in the message", async (t) => {
  const { directory } = await ownedHere(t);
  const other = new Owner(t, "try", directory);
  await other.said(1);
  const answer = JSON.parse(other.lines[0] ?? "");
  assert.deepEqual([answer.opened, answer.code, answer.owner.pid], [false, "STORE_LOCKED", process.pid]);
  assert.match(answer.message, new RegExp(`\\b${process.pid}\\b`));
});

test("the lock is free at once after the owner was killed", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  const owner = new Owner(t, "hold", directory);
  await owner.said(1);
  await refuses(openStore(directory), "STORE_LOCKED", {
    owner: { pid: owner.process.pid, host: hostname() },
  });
  await owner.kill();
  const store = await openStore(directory);
  t.after(() => store.close());
  assert.equal(store.recovery.cleanClose, false);
});

test("a stopped owner is still the owner", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  const owner = new Owner(t, "hold", directory);
  await owner.said(1);
  owner.process.kill("SIGSTOP");
  await refuses(openStore(directory), "STORE_LOCKED");
});

test("deleting or changing the file lock lets nobody in", async (t) => {
  const { directory } = await ownedHere(t);
  rmSync(join(directory, "lock"));
  await refuses(openStore(directory), "STORE_LOCKED");
  writeFileSync(join(directory, "lock"), "no text of ours");
  await refuses(openStore(directory), "STORE_LOCKED");
});

test("deleting the file format lets nobody in, and loses nothing once it is back", async (t) => {
  const { directory, store } = await ownedHere(t);
  const format = readFileSync(join(directory, "format"));
  rmSync(join(directory, "format"));
  const error = await failure(openStore(directory));
  assert.ok(isStoreError(error, "CORRUPT") || isStoreError(error, "STORE_LOCKED"), String(error));
  assert.equal(existsSync(join(directory, "format")), false);
  await store.close();
  writeFileSync(join(directory, "format"), format);
  const again = await openStore(directory);
  t.after(() => again.close());
  assert.equal((await read(again.session("root"))).headRevision, 1);
});

test("an owner whose format was replaced stops before its next publication", async (t) => {
  const { directory, store } = await ownedHere(t);
  const format = readFileSync(join(directory, "format"));
  rmSync(join(directory, "format"));
  writeFileSync(join(directory, "format"), format);
  const error = await failure(store.snapshot());
  assert.ok(isStoreError(error), String(error));
});

test("lockWaitMs waits for the owner to close", async (t) => {
  const { directory, store } = await ownedHere(t);
  const waiting = openStore(directory, { lockWaitMs: 60_000 });
  await store.close();
  const second = await waiting;
  t.after(() => second.close());
  assert.equal((await read(second.session("root"))).headRevision, 1);
});

test("lockWaitMs gives up with STORE_LOCKED", async (t) => {
  const { directory } = await ownedHere(t);
  await refuses(openStore(directory, { lockWaitMs: 30 }), "STORE_LOCKED");
});

test("a signal ends the waiting for a lock", async (t) => {
  const { directory } = await ownedHere(t);
  const controller = new AbortController();
  const waiting = openStore(directory, { lockWaitMs: 60_000, signal: controller.signal });
  controller.abort();
  const error = await failure(waiting);
  assert.ok(isStoreError(error, "ABORTED") || isStoreError(error, "STORE_LOCKED"), String(error));
});

test("the lock is free when close has answered, again and again", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  for (let turn = 1; turn <= 5; turn++) {
    const store = await openStore(directory);
    assert.equal((await store.session("root").commitRuntimeState(commit())).headRevision, turn);
    await store.close();
  }
});

test("of many opens at once exactly one owns the new store", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => openStore(directory)));
  const owners = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  for (const owner of owners) t.after(() => owner.close());
  assert.equal(owners.length, 1);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") assert.ok(isStoreError(outcome.reason, "STORE_LOCKED"));
  }
});

test("a directory with foreign files is NOT_A_STORE and stays as it was", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, "thesis.doc"), "years of work");
  for (let turn = 0; turn < 2; turn++) await refuses(openStore(directory), "NOT_A_STORE", { retry: "never" });
  await refuses(openStoreReadOnly(directory), "NOT_A_STORE");
  assert.deepEqual(readdirSync(directory), ["thesis.doc"]);
  assert.equal(readFileSync(join(directory, "thesis.doc"), "utf8"), "years of work");
});

test("a file is NOT_A_STORE, a missing directory is created with its parents", async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, "file");
  writeFileSync(file, "text");
  await refuses(openStore(file), "NOT_A_STORE");
  const deep = join(directory, "a", "b", "c");
  const store = await openStore(deep);
  await store.close();
  assert.ok(existsSync(join(deep, "format")));
});

test("an empty directory that exists becomes a store", async (t) => {
  const directory = join(temporaryDirectory(t), "store");
  mkdirSync(directory);
  const store = await openStore(directory);
  t.after(() => store.close());
  await store.session("root").commitRuntimeState(commit({ graph: append([messageNode("a")], "a") }));
});

test("a newer format is FORMAT_UNSUPPORTED with both versions, and nothing is touched", async (t) => {
  const { directory, store } = await ownedHere(t);
  await store.close();
  const path = join(directory, "format");
  const bytes = readFileSync(path);
  bytes.writeUInt16LE(99, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 32)), 32);
  writeFileSync(path, bytes);
  const names = readdirSync(join(directory, "wal"));
  await refuses(openStore(directory), "FORMAT_UNSUPPORTED", { found: 99, supported: 1, retry: "never" });
  await refuses(openStoreReadOnly(directory), "FORMAT_UNSUPPORTED", { found: 99 });
  assert.deepEqual(readdirSync(join(directory, "wal")), names);
});
