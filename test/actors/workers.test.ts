/**
 * Worker threads that die under a store on disk, and what a store leaves of threads and handles: a killed
 * fold costs its job, a killed publication poisons, nothing acknowledged is lost, and close ends them all.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import workerThreads, { Worker } from "node:worker_threads";
import type { StoreOptions } from "../../src/contract.ts";
import { isStoreError } from "../../src/errors.ts";
import { openStore } from "../../src/index.ts";
import { refuses } from "../support/expect.ts";
import { checkSession, Progress, sendNext } from "../support/history.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const OPTIONS: StoreOptions = { segmentBytes: 256 * 1024, snapshot: false, gc: false };
const TASKS = "/proc/self/task";

/** Threads that piscina starts from now on, until the test ends. */
function watchPool(t: { after(fn: () => void): void }): Worker[] {
  const started: Worker[] = [];
  workerThreads.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      if (String(args[0]).includes("piscina")) started.push(this);
    }
  };
  t.after(() => {
    workerThreads.Worker = Worker;
  });
  return started;
}

test("a worker killed at any moment of a snapshot costs the job or poisons the store, and loses nothing", async (t) => {
  const workers = watchPool(t);
  const ends = { done: 0, failed: 0, poisoned: 0 };
  for (const turns of [0, 4, 16]) {
    const directory = join(temporaryDirectory(t), "store");
    const store = await openStore(directory, OPTIONS);
    const progress = new Progress();
    for (let turn = 0; turn < 3; turn++) await sendNext(store, "root", progress);
    // The thread is there and warm before the moments are counted.
    await store.snapshot();
    for (let turn = 0; turn < 20; turn++) await sendNext(store, "root", progress);
    const snapshot = store.snapshot().then(
      () => "done" as const,
      (error: unknown) => {
        assert.ok(isStoreError(error), String(error));
        return store.stats().state === "poisoned" ? ("poisoned" as const) : ("failed" as const);
      },
    );
    for (let wait = 0; wait < turns; wait++) await new Promise((resolve) => setImmediate(resolve));
    await workers.at(-1)?.terminate();
    const end = await snapshot;
    ends[end]++;
    if (end === "poisoned") await refuses(store.snapshot(), "STORE_POISONED");
    else {
      await sendNext(store, "root", progress);
      await store.snapshot();
    }
    await checkSession(store, "root", progress);
    await store.close();
    const again = await openStore(directory, OPTIONS);
    await checkSession(again, "root", progress);
    assert.deepEqual(await again.verify(), { ok: true, problems: [] });
    await again.close();
  }
  t.diagnostic(JSON.stringify(ends));
  assert.ok(ends.failed + ends.poisoned > 0);
});

test("after close, and after an opening that failed, there are as many threads as before", async (t) => {
  if (!existsSync(TASKS)) return t.skip("threads cannot be counted here");
  const threads = (): number => readdirSync(TASKS).length;
  const directory = join(temporaryDirectory(t), "store");
  // Node starts threads of its own with the first worker; they stay.
  await (await openStore(directory, OPTIONS)).close();
  const before = threads();
  for (let turn = 0; turn < 3; turn++) {
    const store = await openStore(directory, OPTIONS);
    await store
      .session("root")
      .saveSessionMeta({ sessionId: "root", sessionName: "n", createdAt: "t", model: "m" });
    await Promise.all([store.snapshot(), store.gc(), store.verify()]);
    await refuses(openStore(directory, OPTIONS), "STORE_LOCKED");
    assert.ok(threads() > before);
    await store.close();
    assert.equal(threads(), before);
  }
});

test("a gc and a verify that nobody awaits keep the process alive until they are answered", async (t) => {
  const index = fileURLToPath(new URL("../../src/index.ts", import.meta.url));
  const program = `
    import { openStore } from ${JSON.stringify(index)};
    const store = await openStore(process.argv[1]);
    const meta = { sessionId: "s", sessionName: "n", createdAt: "t", model: "m" };
    void store.session("s").saveSessionMeta(meta).then(() => console.log("saved"));
    void store.gc().then(() => console.log("collected"));
    void store.verify().then(({ ok }) => console.log("verified", ok));
  `;
  const directory = join(temporaryDirectory(t), "store");
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", program, directory],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.deepEqual(said.trim().split("\n").toSorted(), ["collected", "saved", "verified true"]);
  assert.equal(code, 0);
});
