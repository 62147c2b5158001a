/** A simulated computer: what a kill and a power cut leave, that the dead do nothing, and what is counted and timed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isStoreError } from "../../../src/errors.ts";
import { type Death, Machine, type Process } from "../../../src/testing/simulation/machine.ts";
import { outcomeOf, runUntil, StuckError } from "../../../src/testing/simulation/outcome.ts";
import { keepNothing } from "../../../src/vfs/memory-crash.ts";
import type { VfsFile } from "../../../src/vfs/vfs.ts";

const BYTES = Buffer.from("what was written");

function create(process: Process, path: string): VfsFile {
  const file = process.vfs.open(path, "create");
  file.write([BYTES], 0);
  return file;
}

/** A file in a directory, durable with its name. */
function createDurably(process: Process, path: string): void {
  const file = create(process, path);
  file.sync();
  file.close();
  process.vfs.syncDirectory("/");
}

function names(machine: Machine): string[] {
  return machine.files.list("/").sort();
}

test("the same seed gives the same trace, bytes and times; another seed another", async () => {
  const run = async (seed: number): Promise<string> => {
    const machine = new Machine(seed);
    const process = machine.start("p");
    for (let count = 0; count < 5; count++)
      process.later(count % 2, `work ${count}`, () => create(process, `/f${count}`).close());
    await runUntil(machine, process, "work", () => process.operations >= 15);
    create(process, "/random").write([process.randomBytes(8)], 0);
    return `${machine.trace.digest()} ${machine.scheduler.now}`;
  };
  assert.equal(await run(1), await run(1));
  assert.notEqual(await run(2), await run(1));
});

test("a killed process leaves what it wrote, synced or not", () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  create(process, "/unsynced");
  process.kill();
  assert.deepEqual(names(machine), ["unsynced"]);
  assert.equal(machine.files.stat("/unsynced")?.size, BYTES.length);
});

test("a power cut keeps what was synced, may take what was not, and ends every process", () => {
  const machine = new Machine(1);
  const [one, other] = [machine.start("one"), machine.start("other")];
  createDurably(one, "/durable");
  create(one, "/unsynced");
  machine.cutPower(keepNothing);
  assert.deepEqual(names(machine), ["durable"]);
  assert.deepEqual([one.isAlive, other.isAlive], [false, false]);
});

test("what was written by a process that was killed may still go with the power", () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  create(process, "/unsynced");
  process.kill();
  machine.cutPower(keepNothing);
  assert.deepEqual(names(machine), []);
});

test("a dead process acts no more: operations throw without effect, timers and turns do not come", async () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  const file = create(process, "/f");
  process.later(1, "timer", () => assert.fail("a timer of the dead"));
  process.clock.turn("log", () => assert.fail("a turn of the dead"));
  process.clock.setTimeout(() => assert.fail("a timeout of the dead"), 2);
  process.kill();
  assert.throws(() => file.write([Buffer.from("more")], 0), /process p1 is dead/);
  assert.throws(() => process.vfs.remove("/f"), /process p1 is dead/);
  assert.equal(await machine.scheduler.runUntil(() => false, 100), false);
  assert.deepEqual(names(machine), ["f"]);
});

test("a process that dies frees its locks, and its files count as open no more", () => {
  const machine = new Machine(1);
  const [first, second] = [machine.start("p"), machine.start("p")];
  assert.equal(create(first, "/lock").tryLock(), true);
  const other = second.vfs.open("/lock", "write");
  assert.equal(other.tryLock(), false);
  first.kill();
  assert.equal(other.tryLock(), true);
  assert.deepEqual([first.openFiles, second.openFiles], [0, 1]);
});

test("files left open are counted, also behind a close that fails", () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  const [one, two] = [create(process, "/one"), create(process, "/two")];
  assert.equal(process.openFiles, 2);
  process.inject({ operation: "close", errno: "EIO", path: /one/ });
  assert.throws(
    () => one.close(),
    (error) => isStoreError(error, "STORE_IO"),
  );
  assert.equal(process.openFiles, 1, "a close that fails closes");
  two.close();
  assert.equal(process.openFiles, 0);
});

for (const how of ["killed", "powerCut"] as const) {
  test(`a process dies instead of the operation it was told to die at: ${how}`, () => {
    const machine = new Machine(1);
    const deaths: Death[] = [];
    machine.onDeath = (_process, death) => deaths.push(death);
    const process = machine.start("p");
    process.dieAt(2, how, (operation) => operation === "sync");
    const file = create(process, "/f");
    file.sync();
    assert.throws(() => file.sync(), /is dead; no sync/);
    assert.deepEqual(deaths, [how]);
    assert.equal(process.isAlive, false);
  });
}

test("who leaves is not mourned, and acts no more", () => {
  const machine = new Machine(1);
  machine.onDeath = () => assert.fail("nobody died");
  const process = machine.start("p");
  process.retire();
  assert.equal(process.isAlive, false);
});

test("a full disk refuses to create and to lengthen, and takes what overwrites", () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  const file = create(process, "/f");
  machine.isFull = true;
  const isFull = (error: unknown): boolean => isStoreError(error, "STORE_IO") && error.errno === "ENOSPC";
  assert.throws(() => process.vfs.open("/g", "create"), isFull);
  assert.throws(() => process.vfs.makeDirectory("/d"), isFull);
  assert.throws(() => file.write([BYTES], 1), isFull);
  file.write([BYTES], 0);
  machine.isFull = false;
  file.write([BYTES], 1);
});

test("operations take the time that the disk needs; a wall clock may be wrong, durations may not", () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  machine.speed = { syncMs: 100, otherMs: 0, hiccups: 0, hiccupMs: 0 };
  const [now, wall] = [process.clock.now(), process.clock.wall()];
  create(process, "/f").sync();
  const took = process.clock.now() - now;
  assert.ok(took >= 50 && took <= 150, `${took} ms`);
  machine.wallSkew = -1_000_000;
  assert.ok(process.clock.wall() < wall);
  assert.ok(process.clock.now() >= now + took);
});

test("a cleared timeout does not come, others do in time", async () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  const at: number[] = [];
  const { clock } = process;
  clock.clearTimeout(clock.setTimeout(() => assert.fail("it was cleared"), 1));
  clock.setTimeout(() => at.push(clock.now()), 5);
  await machine.scheduler.runUntil(() => false, 100);
  assert.deepEqual(at, [5]);
});

test("a call's outcome is its value, its error, or nothing if the process dies first", async () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  const sleeper = process.sleep(3).then(() => "awake");
  assert.deepEqual(await outcomeOf(machine, process, "sleeping", sleeper), { ok: true, value: "awake" });
  assert.equal(machine.scheduler.now, 3);
  const failure = new Error("no");
  const refused = await outcomeOf(machine, process, "failing", Promise.reject(failure));
  assert.deepEqual(refused, { ok: false, error: failure });
  process.later(1, "death", () => process.kill());
  assert.equal(await outcomeOf(machine, process, "sleeping", process.sleep(2)), undefined);
});

test("a call that nothing can end is reported instead of waited for", async () => {
  const machine = new Machine(1);
  const process = machine.start("p");
  await assert.rejects(outcomeOf(machine, process, "an answer", new Promise(() => undefined)), StuckError);
});
