/** Whether a lock is held, asked without taking it; against real locks where the system lists them. */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { diskVfs } from "../../src/vfs/disk.ts";
import { lockStatusOf } from "../../src/vfs/disk-lock-status.ts";
import { temporaryDirectory } from "../support/temporary.ts";

test("a held lock is seen, and a freed one is not", { skip: process.platform !== "linux" }, async (t) => {
  const path = join(await temporaryDirectory(t), "file");
  writeFileSync(path, "x");
  assert.equal(lockStatusOf(path), "free");
  const file = diskVfs.open(path, "write");
  assert.ok(file.tryLock());
  assert.equal(lockStatusOf(path), "held");
  // Asking takes nothing: the owner keeps it, and another is still refused.
  const other = diskVfs.open(path, "write");
  assert.equal(other.tryLock(), false);
  other.close();
  file.close();
  assert.equal(lockStatusOf(path), "free");
});

test("a lock on another device of that inode, or a list that cannot be read, is unknown", async (t) => {
  const path = join(await temporaryDirectory(t), "file");
  writeFileSync(path, "x");
  const line = (device: string): string =>
    `1: OFDLCK ADVISORY  WRITE -1 ${device}:${statSync(path).ino} 0 EOF\n`;
  assert.equal(
    lockStatusOf(path, () => line("ff:7f")),
    "unknown",
  );
  assert.equal(
    lockStatusOf(path, () => "1: POSIX  ADVISORY  READ 12 00:19:7 0 EOF\n"),
    "free",
  );
  const unreadable = (): string => {
    throw new Error("no such file");
  };
  assert.equal(lockStatusOf(path, unreadable), "unknown");
  assert.equal(lockStatusOf(`${path}.absent`), "unknown");
});
