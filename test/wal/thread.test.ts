/** The log on its own threads and the real disk: promises, order, close, a dead thread, an idle process. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, it, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { isStoreError } from "../../src/errors.ts";
import { createLog, prepareLog, scanLog } from "../../src/wal/log.ts";
import { payloadFor, STORE_ID } from "./fixture.ts";
import { configOf, eventually, open, temporaryDirectory, watchThreads } from "./threaded.ts";

describe("a log on its own threads", () => {
  it("answers all records in order, over many segments, and finds them again", async (t) => {
    const config = configOf(temporaryDirectory(t), { ringBytes: 65536 });
    const start = createLog(config);
    const first = await open(t, config, start);
    const sizes = Array.from({ length: 300 }, (_, index) => 1 + ((index * 7919) % 9000));
    for (const size of [...sizes, 50_000, 200_000, 5])
      first.log.append(payloadFor(first.log.lastLsn + 1, size));
    await first.until(303);
    assert.deepEqual(
      [...first.durable.keys()],
      Array.from({ length: 303 }, (_, index) => index + 1),
    );
    for (const [lsn, { segment, offset }] of first.durable) {
      const payload = Buffer.from(first.log.read(segment, offset));
      assert.deepEqual(payload, payloadFor(lsn, payload.length));
    }
    await first.log.close();
    assert.deepEqual(first.failures, []);
    const second = await open(t, config, start);
    assert.equal(second.found.length, 303);
    await second.log.close();
  });

  it("has a thread for spares only once something is written or retired", async (t) => {
    const config = configOf(temporaryDirectory(t));
    const start = createLog(config);
    let threads = 0;
    const count = (): void => {
      threads += 1;
    };
    process.on("worker", count);
    t.after(() => void process.off("worker", count));
    const read = await open(t, config, start);
    read.log.retire(start.segment, { scrub: false });
    await read.log.close();
    assert.equal(threads, 1, "opened, with nothing to retire, and closed");
    const written = await open(t, config, start);
    written.log.append(payloadFor(1, 200_000));
    await written.log.close();
    assert.deepEqual([threads, written.durable.size], [3, 1], "closed at once, a record of its own segment");
    const retired = await open(t, config, start);
    retired.log.retire((await retired.log.roll()).segment, { scrub: false });
    assert.equal(threads, 5);
    await retired.log.close();
    assert.throws(() => retired.log.append(payloadFor(2, 1)));
    assert.equal(threads, 5, "none behind the end");
  });

  it("starts its thread before it is read, and ends it where the opening fails", async (t) => {
    const config = configOf(temporaryDirectory(t));
    const start = createLog(config);
    const first = await open(t, config, start);
    first.log.append(payloadFor(1, 1));
    await first.log.close();
    const threads = watchThreads(t);
    const coming = prepareLog(config);
    await setImmediate();
    let startedBefore = 0;
    const refused = new Error("a reader that refuses");
    const reading = coming.open(
      start,
      () => {
        startedBefore = threads.started.length;
        throw refused;
      },
      { durable: () => {}, batchEnd: () => {}, slowSync: () => {}, failed: () => {} },
    );
    await assert.rejects(reading, refused);
    assert.deepEqual([startedBefore, threads.started.length, threads.ended], [1, 1, 1]);
    await prepareLog(config).abandon();
    assert.deepEqual([threads.started.length, threads.ended], [2, 2]);
  });

  it("tells of a thread that died while it was read", async (t) => {
    const config = configOf(temporaryDirectory(t));
    const start = createLog(config);
    const threads = watchThreads(t);
    const coming = prepareLog(config);
    await setImmediate();
    await threads.started[0]?.terminate();
    const failures: string[] = [];
    const { log } = await coming.open(start, () => {}, {
      durable: () => {},
      batchEnd: () => {},
      slowSync: () => {},
      failed: (error) => void failures.push(error.code),
    });
    assert.deepEqual(failures, ["INTERNAL"]);
    assert.throws(
      () => log.append(payloadFor(1, 1)),
      (error) => isStoreError(error, "STORE_POISONED"),
    );
    await log.close();
  });

  it("drains on close what was appended and never awaited", async (t) => {
    const config = configOf(temporaryDirectory(t));
    const start = createLog(config);
    const { log, durable } = await open(t, config, start);
    for (let lsn = 1; lsn <= 100; lsn += 1) log.append(payloadFor(lsn, 2000));
    await log.close();
    assert.equal(durable.size, 100);
    const found: number[] = [];
    const recovery = scanLog(
      config.vfs,
      config.directory,
      STORE_ID,
      start,
      undefined,
      (lsn) => void found.push(lsn),
    );
    assert.deepEqual([found.length, recovery.cleanClose], [100, true]);
  });

  it("rolls, retires and recycles while appends go on", async (t) => {
    const config = configOf(temporaryDirectory(t));
    let start = createLog(config);
    const { log, until, durable } = await open(t, config, start);
    for (let round = 0; round < 10; round += 1) {
      for (let count = 0; count < 20; count += 1) log.append(payloadFor(log.lastLsn + 1, 5000));
      start = await log.roll();
      assert.equal(start.lsn, log.lastLsn);
      log.retire(start.segment, { scrub: round % 3 === 2 });
    }
    await until(200);
    assert.equal(durable.size, 200);
    log.append(payloadFor(201, 100));
    await log.close();
    const again = await open(t, config, start);
    assert.deepEqual(again.found, [201]);
    await again.log.close();
  });

  it("syncs by itself under sync policy interval", async (t) => {
    const config = configOf(temporaryDirectory(t), { sync: "interval" });
    const { log, until } = await open(t, config, createLog(config));
    log.append(payloadFor(1, 100));
    await until(1);
    await eventually(() => log.stats().syncs > 0);
    await log.close();
  });

  it("fails once when a file of it is gone, and still closes", async (t) => {
    const config = configOf(temporaryDirectory(t));
    const { log, until, failures, durable } = await open(t, config, createLog(config));
    log.append(payloadFor(1, 100));
    await until(1);
    // Both spares are there, and nothing more is on its way.
    await eventually(() => log.stats().segments === 4);
    // They lose their names: the next segment cannot be opened.
    for (const name of config.vfs.list(config.directory)) {
      if (name.endsWith(".wal")) config.vfs.remove(`${config.directory}/${name}`);
    }
    for (let lsn = 2; lsn <= 40; lsn += 1) log.append(payloadFor(lsn, 8000));
    await until(40);
    assert.equal(failures.length, 1);
    assert.ok(durable.size < 40);
    assert.throws(
      () => log.append(payloadFor(41, 1)),
      (error) => isStoreError(error, "STORE_POISONED"),
    );
    await log.close();
    assert.equal(failures.length, 1);
  });
});

interface ChildResult {
  readonly code: number | null;
  readonly output: string;
}

/** Runs `body` as a program that has a fresh log at `directory`; answers when the process is gone. */
async function runProgram(t: TestContext, body: string): Promise<ChildResult> {
  const directory = temporaryDirectory(t);
  const at = (path: string): string => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
  const program = `
    import { createLog, openLog } from ${at("../../src/wal/log.ts")};
    import { createDiskVfs } from ${at("../../src/vfs/disk.ts")};
    import workers from "node:worker_threads";
    const threads = [];
    const { Worker } = workers;
    const unref = Worker.prototype.unref;
    Worker.prototype.unref = function () { if (!threads.includes(this)) threads.push(this); return unref.call(this); };
    const config = { vfs: createDiskVfs(), directory: ${JSON.stringify(`${directory}/wal`)}, storeId: new Uint8Array(16),
      segmentBytes: 65536, sync: "always", syncIntervalMs: 100, mode: "thread" };
    const listener = { durable: (lsn) => console.log("durable", lsn), batchEnd() {}, slowSync() {}, failed: (error) => console.log("failed", error.code) };
    const main = async () => {
      const { log } = await openLog(config, createLog(config), () => {}, listener);
      ${body}
    };
    void main();
  `;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, output };
}

describe("a process with a log", () => {
  it("ends by itself while the log is idle and open", async (t) => {
    assert.deepEqual(await runProgram(t, ""), { code: 0, output: "" });
  });

  it("lives until frames in flight are durable, and then ends", async (t) => {
    const body = "for (let n = 0; n < 3; n += 1) log.append(Buffer.alloc(100, 1));";
    assert.deepEqual(await runProgram(t, body), { code: 0, output: "durable 1\ndurable 2\ndurable 3\n" });
  });

  it("is told once when a thread of the log dies, and can still close", async (t) => {
    for (const index of [0, 1]) {
      const body = `
        await log.roll();
        await threads[${index}].terminate();
        try { log.append(Buffer.alloc(1, 1)); } catch (error) { console.log("refused", error.code); }
        await log.close();
        console.log("closed");
      `;
      const expected = "failed INTERNAL\nrefused STORE_POISONED\nclosed\n";
      assert.deepEqual(await runProgram(t, body), { code: 0, output: expected });
    }
  });
});
