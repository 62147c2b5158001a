/**
 * A disk that is really full, under a log on its own threads: a frame that finds no segment waits, and both
 * freed space and close end that wait. Needs a small file system of its own, and so the right to mount one.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { KIB } from "../../src/limits.ts";
import { createLog, type LogStart } from "../../src/wal/log.ts";
import { payloadFor } from "./fixture.ts";
import { configOf, eventually, type Opened, open } from "./threaded.ts";

const DISK_BYTES = 1024 * KIB;
/** Larger than a usual segment, and than what two unused spares free. */
const LARGE = 300 * KIB;

interface Full extends Opened {
  /** Removes what fills the disk. */
  free(): void;
}

/** A log with one durable record and its spares, on a disk that then became full; undefined: skipped. */
async function onFullDisk(t: TestContext): Promise<Full | undefined> {
  const directory = mkdtempSync(join(tmpdir(), "varve-full-"));
  t.after(() => {
    spawnSync("umount", ["-l", directory]);
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", directory]);
  if (mounted.status !== 0) {
    t.skip("it takes the right to mount a file system, and a system that has tmpfs");
    return undefined;
  }
  const config = configOf(directory);
  const start: LogStart = createLog(config);
  const log = await open(t, config, start);
  log.log.append(payloadFor(1, 100));
  await log.until(1);
  await eventually(() => log.log.stats().segments === 4);
  const ballast = join(directory, "ballast");
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(DISK_BYTES)), { code: "ENOSPC" });
  return { ...log, free: () => rmSync(ballast) };
}

/** The supply has tried and failed, and says so. */
function sawFullDisk({ log }: Full): Promise<void> {
  return eventually(() => !log.hasRoom(LARGE));
}

describe("on a full disk", () => {
  it("a record larger than a segment waits until there is space, and then is durable", async (t) => {
    const full = await onFullDisk(t);
    if (full === undefined) return;
    const { log, durable, failures } = full;
    log.append(payloadFor(2, LARGE));
    log.append(payloadFor(3, 10));
    await sawFullDisk(full);
    assert.deepEqual([[...durable.keys()], failures], [[1], []]);
    full.free();
    await full.until(3);
    assert.deepEqual([...durable.keys()], [1, 2, 3]);
    await log.close();
    assert.deepEqual(failures, []);
  });

  it("records beyond the last spare wait until there is space, and then are durable in order", async (t) => {
    const full = await onFullDisk(t);
    if (full === undefined) return;
    const { log, durable, failures } = full;
    for (let lsn = 2; lsn <= 40; lsn += 1) log.append(payloadFor(lsn, 10_000));
    await eventually(() => !log.hasRoom(10_000));
    assert.ok(durable.size < 40);
    full.free();
    await full.until(40);
    assert.deepEqual(
      [...durable.keys()],
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
    await log.close();
    assert.deepEqual(failures, []);
  });

  for (const size of [LARGE, 10_000]) {
    it(`close ends the wait of records of ${size} bytes: STORE_FULL, and what was durable stays`, async (t) => {
      const full = await onFullDisk(t);
      if (full === undefined) return;
      const { log, durable, failures } = full;
      for (let lsn = 2; lsn <= 40; lsn += 1) log.append(payloadFor(lsn, size));
      const rolled = assert.rejects(log.roll(), (error) => isStoreError(error));
      // Whether the supply knows already that the disk is full makes no difference.
      if (size === LARGE) await sawFullDisk(full);
      await log.close();
      await rolled;
      assert.equal(failures.length, 1);
      assert.ok(isStoreError(failures[0], "STORE_FULL"), String(failures[0]));
      assert.ok(durable.size < 40);
      full.free();
      const again = await open(t, full.config, full.start);
      assert.ok(again.found.length >= durable.size, `${again.found.length} of ${durable.size}`);
      assert.deepEqual(
        again.found,
        again.found.map((_, index) => index + 1),
      );
      await again.log.close();
    });
  }

  it("a roll is refused and the log goes on", async (t) => {
    const full = await onFullDisk(t);
    if (full === undefined) return;
    const { log, failures } = full;
    // Both spares are taken by rolls, and no third one can be made.
    for (let count = 0; count < 2; count += 1) await log.roll();
    await assert.rejects(log.roll(), (error) => isStoreError(error, "STORE_FULL"));
    log.append(payloadFor(2, 50_000));
    await full.until(2);
    await eventually(() => !log.hasRoom(50_000));
    await assert.rejects(log.roll(), (error) => isStoreError(error, "STORE_FULL"));
    full.free();
    // The first one: what the supply met before there was space is no answer.
    assert.equal((await log.roll()).lsn, 2);
    await log.close();
    assert.deepEqual(failures, []);
  });
});
