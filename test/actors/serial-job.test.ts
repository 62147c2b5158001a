/** The serial job: one run at a time, callers join the following run, everyone is answered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SerialJob } from "../../src/actors/serial-job.ts";
import { isStoreError, storeError } from "../../src/errors.ts";

interface Run {
  readonly reason: string;
  readonly resolve: (value: number) => void;
  readonly reject: (error: Error) => void;
}

function startJob() {
  const runs: Run[] = [];
  const failures: unknown[] = [];
  const job = new SerialJob<string, number>(
    (reason) => new Promise((resolve, reject) => runs.push({ reason, resolve, reject })),
    (error) => failures.push(error),
  );
  return { job, runs, failures };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("callers that come while a run goes on share the following one", async () => {
  const { job, runs } = startJob();
  const first = job.ask("a");
  const second = job.ask("b");
  const third = job.ask("c");
  assert.equal(runs.length, 1);
  runs[0]?.resolve(1);
  assert.equal(await first, 1);
  await turns();
  assert.deepEqual(
    runs.map((run) => run.reason),
    ["a", "b"],
  );
  runs[1]?.resolve(2);
  assert.deepEqual(await Promise.all([second, third]), [2, 2]);
});

test("an automatic request starts no second run behind a running one", async () => {
  const { job, runs } = startJob();
  job.request("auto");
  job.request("auto");
  runs[0]?.resolve(1);
  await turns();
  assert.equal(runs.length, 1);
  job.request("auto");
  assert.equal(runs.length, 2);
});

test("a failure answers its callers, is reported, and the next run is a new chance", async () => {
  const { job, runs, failures } = startJob();
  const failing = job.ask("a");
  runs[0]?.reject(storeError("STORE_IO", { operation: "write", path: "p", errno: "ENOSPC" }, "full"));
  await assert.rejects(failing, (error) => isStoreError(error, "STORE_IO"));
  assert.equal(failures.length, 1);
  const next = job.ask("b");
  runs[1]?.resolve(7);
  assert.equal(await next, 7);
});

test("stop finishes what runs and what waits, and refuses what comes later", async () => {
  const { job, runs } = startJob();
  const running = job.ask("a");
  const waiting = job.ask("b");
  const stopped = job.stop();
  const refused = assert.rejects(job.ask("late"), (error) => isStoreError(error, "STORE_CLOSED"));
  runs[0]?.resolve(3);
  assert.equal(await running, 3);
  await turns();
  runs[1]?.resolve(4);
  assert.equal(await waiting, 4);
  await stopped;
  await refused;
  await assert.rejects(job.ask("c"), (error) => isStoreError(error, "STORE_CLOSED"));
  await job.stop();
  assert.deepEqual(
    runs.map((run) => run.reason),
    ["a", "b"],
  );
});

test("stop of an idle job is answered at once", async () => {
  const { job } = startJob();
  await job.stop();
  await job.stop();
});
