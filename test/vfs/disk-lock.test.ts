/** The lock of the disk against everyone who could open the file: this process, its threads, other processes. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { isStoreError } from "../../src/errors.ts";
import { diskVfs } from "../../src/vfs/disk.ts";
import { tryLockDescriptor } from "../../src/vfs/disk-lock.ts";
import type { VfsFile } from "../../src/vfs/vfs.ts";
import { writeNew } from "../../src/vfs/whole.ts";

const LOCK_CHILD = fileURLToPath(new URL("../support/vfs-lock-child.ts", import.meta.url));

/** A file to lock. Handles close, children die and files go at the end of the test, in that order. */
function fixture(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "varve-lock-"));
  const path = `${directory.replaceAll("\\", "/")}/format`;
  writeNew(diskVfs, path, new Uint8Array(16));
  const files: VfsFile[] = [];
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const file of files) file.close();
    for (const child of children) await kill(child);
    rmSync(directory, { recursive: true, maxRetries: 20, retryDelay: 100 });
  });
  const open = (): VfsFile => {
    const file = diskVfs.open(path, "write");
    files.push(file);
    return file;
  };
  /** A process that tries to lock the file; answers what it said. */
  const tryInProcess = async (): Promise<{ child: ChildProcess; said: string }> => {
    const child = spawn(process.execPath, ["--import", "tsx", LOCK_CHILD, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    const [said] = await once(child.stdout, "data");
    return { child, said: String(said).trim() };
  };
  return { path, open, tryInProcess };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** What a thread gets that tries to lock the file. */
async function tryInThread(path: string): Promise<unknown> {
  // `--import tsx` does not reach an evaluated worker, so it registers tsx itself.
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    require("tsx/cjs/api").register();
    const { diskVfs } = require(workerData.module);
    const file = diskVfs.open(workerData.path, "write");
    parentPort.postMessage(file.tryLock());
    file.close();
  `;
  const module = fileURLToPath(new URL("../../src/vfs/disk.ts", import.meta.url));
  const worker = new Worker(code, { eval: true, workerData: { path, module } });
  const exited = once(worker, "exit");
  const [answer] = await once(worker, "message");
  await exited;
  return answer;
}

describe("disk lock", () => {
  it("a second open in this process is refused while the first holds the lock", (t) => {
    const { open } = fixture(t);
    const holder = open();
    assert.equal(open().tryLock(), true, "nobody holds it yet");
    assert.equal(holder.tryLock(), false);
  });

  it("a thread of this process is refused while the lock is held, and only then", async (t) => {
    const { open, path } = fixture(t);
    assert.equal(await tryInThread(path), true);
    const holder = open();
    assert.equal(holder.tryLock(), true);
    assert.equal(await tryInThread(path), false);
    // Its open and close of the file have not dropped the lock either.
    assert.equal(open().tryLock(), false);
    holder.close();
    assert.equal(await tryInThread(path), true);
  });

  it("another process is refused while the lock is held, and only then", async (t) => {
    const { open, tryInProcess } = fixture(t);
    const holder = open();
    assert.equal(holder.tryLock(), true);
    assert.equal((await tryInProcess()).said, "refused");
    holder.close();
    assert.equal((await tryInProcess()).said, "locked");
  });

  it("the lock of a killed process is free at once", async (t) => {
    const { open, tryInProcess } = fixture(t);
    const { child, said } = await tryInProcess();
    assert.equal(said, "locked");
    const file = open();
    assert.equal(file.tryLock(), false);
    await kill(child);
    assert.equal(file.tryLock(), true);
  });

  it("opening and closing the file elsewhere in the process leaves the lock for other processes too", async (t) => {
    const { open, path, tryInProcess } = fixture(t);
    assert.equal(open().tryLock(), true);
    closeSync(openSync(path, "r+"));
    diskVfs.open(path, "read").close();
    assert.equal((await tryInProcess()).said, "refused");
  });

  it("a child process does not inherit the lock", async (t) => {
    const { open } = fixture(t);
    const holder = open();
    assert.equal(holder.tryLock(), true);
    const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 600000)"], { stdio: "ignore" });
    t.after(() => kill(child));
    await once(child, "spawn");
    holder.close();
    assert.equal(open().tryLock(), true);
  });

  it("a native module that does not load is named in the error", (t) => {
    const { path } = fixture(t);
    const missing = (): never => {
      throw Object.assign(new Error("Cannot find addon '.'"), { code: "ADDON_NOT_FOUND" });
    };
    assert.throws(
      () => tryLockDescriptor(0, path, missing),
      (error) => {
        assert.ok(isStoreError(error, "STORE_IO"));
        assert.deepEqual([error.operation, error.path, error.errno], ["lock", path, "ENOSYS"]);
        assert.match(error.message, /fs-native-extensions does not load on \w+-\w+/);
        return true;
      },
    );
  });
});
