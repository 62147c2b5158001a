/** Injected faults: each fires when its rule says, does what a disk would do, and is recorded. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { diskVfs } from "../../src/vfs/disk.ts";
import { Fault, type FaultSpec, type FaultyVfs, withFaults } from "../../src/vfs/fault.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { writeNew } from "../../src/vfs/whole.ts";
import { bytesOf, ioErrorWith, runVfsSuite, textAt } from "./suite.ts";

runVfsSuite("faults without rules over memory", () => {
  const memory = new MemoryVfs();
  memory.makeDirectory("/store");
  return { vfs: withFaults(memory), directory: "/store" };
});

function fixture(...rules: FaultSpec[]): { memory: MemoryVfs; vfs: FaultyVfs } {
  const memory = new MemoryVfs();
  writeNew(memory, "/a", bytesOf("old"));
  writeNew(memory, "/b", bytesOf("old"));
  memory.syncDirectory("/");
  return { memory, vfs: withFaults(memory, rules) };
}

function firedIn({ fired }: FaultyVfs): string[] {
  return fired.map(({ fault, operation, path }) => `${fault}: ${operation} ${path}`);
}

describe("faults: rules", () => {
  it("every operation can fail, and then has not happened", () => {
    const { memory, vfs } = fixture();
    const file = vfs.open("/a", "write");
    const calls = {
      open: () => vfs.open("/c", "create"),
      read: () => file.read(new Uint8Array(1), 0),
      write: () => file.write([bytesOf("x")], 0),
      datasync: () => file.datasync(),
      sync: () => file.sync(),
      truncate: () => file.truncate(0),
      lock: () => file.tryLock(),
      stat: () => vfs.stat("/"),
      makeDirectory: () => vfs.makeDirectory("/d"),
      list: () => vfs.list("/"),
      rename: () => vfs.rename("/a", "/c"),
      remove: () => vfs.remove("/a"),
      syncDirectory: () => vfs.syncDirectory("/"),
      fileSystem: () => vfs.fileSystem("/"),
    } as const;
    memory.onOperation = ({ operation }) => assert.fail(`${operation} happened`);
    for (const operation of Object.keys(calls) as (keyof typeof calls)[]) {
      vfs.inject({ operation, errno: "EIO" });
      assert.throws(
        calls[operation],
        (error) => error instanceof Error && /EIO/.test(error.message),
        operation,
      );
      assert.equal(vfs.fired.at(-1)?.operation, operation);
    }
    assert.equal(vfs.fired.length, Object.keys(calls).length);
    assert.deepEqual(memory.list("/"), ["a", "b"]);
  });

  it("a failed close is reported and closes all the same", () => {
    const { vfs } = fixture({ operation: "close", errno: "EIO" });
    const file = vfs.open("/a", "read");
    assert.throws(() => file.close(), ioErrorWith("close", "/a", "EIO"));
    assert.throws(() => file.read(new Uint8Array(1), 0), ioErrorWith("read", "/a", "EBADF"));
  });

  it("a rule strikes at its turn, once or from then on", () => {
    const outcomes = (rule: FaultSpec): string => {
      const { vfs } = fixture(rule);
      const file = vfs.open("/a", "write");
      return Array.from({ length: 5 }, () => {
        try {
          file.write([bytesOf("x")], 0);
          return "+";
        } catch {
          return "-";
        }
      }).join("");
    };
    assert.equal(outcomes({ operation: "write", errno: "EIO" }), "-++++");
    assert.equal(outcomes({ operation: "write", errno: "EIO", nth: 3 }), "++-++");
    assert.equal(outcomes({ operation: "write", errno: "EIO", nth: 3, times: "forever" }), "++---");
    assert.equal(outcomes({ operation: "any", errno: "EIO", nth: 2 }), "-++++", "the open was the first");
    assert.equal(outcomes({ operation: "sync", errno: "EIO" }), "+++++");
  });

  it("a rule counts only the paths it names; a rename has two", () => {
    const { vfs } = fixture({ operation: "any", errno: "EROFS", path: /^\/b$/ });
    vfs.open("/a", "write").write([bytesOf("x")], 0);
    assert.throws(() => vfs.rename("/a", "/b"), ioErrorWith("rename", "/a", "EROFS"));
    vfs.rename("/a", "/b");
    assert.deepEqual(firedIn(vfs), ["any(/^\\/b$/) #1 EROFS: rename /a"]);
  });

  it("a short write writes its first half", () => {
    const { vfs, memory } = fixture({ operation: "write", errno: "ESHORT" });
    const file = vfs.open("/a", "write");
    assert.throws(
      () => file.write([bytesOf("1234"), bytesOf("5678")], 0),
      ioErrorWith("write", "/a", "ESHORT"),
    );
    assert.equal(textAt(memory.open("/a", "read"), 0, 9), "1234");
  });

  it("healing removes every rule", () => {
    const { vfs } = fixture({ operation: "any", errno: "EIO", times: "forever" });
    assert.throws(() => vfs.list("/"));
    vfs.heal();
    assert.deepEqual(vfs.list("/"), ["a", "b"]);
  });

  it("rules print themselves", () => {
    const rules = [
      new Fault({ operation: "datasync", errno: "EIO", path: /\.wal$/, nth: 3, times: "forever" }),
      new Fault({ operation: "open", errno: "EMFILE" }),
    ];
    assert.deepEqual(rules.map(String), ["datasync(/\\.wal$/) #3.. EIO", "open(*) #1 EMFILE"]);
  });

  it("faults work over the disk", (t: TestContext) => {
    const directory = mkdtempSync(join(tmpdir(), "varve-fault-"));
    t.after(() => rmSync(directory, { recursive: true, maxRetries: 20, retryDelay: 100 }));
    const path = `${directory.replaceAll("\\", "/")}/a`;
    const vfs = withFaults(diskVfs, [{ operation: "datasync", errno: "EIO" }]);
    const file = vfs.open(path, "create");
    t.after(() => file.close());
    assert.throws(() => file.datasync(), ioErrorWith("datasync", path, "EIO"));
    file.datasync();
    assert.deepEqual(
      vfs.syncsAfterFailure().map(({ outcome }) => outcome),
      ["ok"],
    );
  });
});

describe("faults: syncs", () => {
  it("every sync is logged with its outcome", () => {
    const { vfs } = fixture({ operation: "sync", errno: "EIO" });
    const file = vfs.open("/a", "write");
    file.datasync();
    assert.throws(() => file.sync());
    vfs.syncDirectory("/");
    const log = vfs.syncLog.map(({ operation, path, outcome }) => `${operation} ${path} ${outcome}`);
    assert.deepEqual(log, ["datasync /a ok", "sync /a EIO", "syncDirectory / ok"]);
    assert.deepEqual(vfs.syncsAfterFailure(), []);
  });

  it("a sync after a failed one is found, also by another handle and name of the file", () => {
    const { vfs } = fixture({ operation: "datasync", errno: "EIO", path: /a$/ });
    const file = vfs.open("/a", "write");
    assert.throws(() => file.datasync());
    vfs.rename("/a", "/c");
    vfs.open("/b", "write").datasync();
    assert.deepEqual(vfs.syncsAfterFailure(), []);
    vfs.open("/c", "write").sync();
    assert.deepEqual(
      vfs.syncsAfterFailure().map(({ path }) => path),
      ["/c"],
    );
  });

  it("a second sync of a directory after a failed one is found", () => {
    const { vfs } = fixture({ operation: "syncDirectory", errno: "EIO" });
    assert.throws(() => vfs.syncDirectory("/"));
    vfs.syncDirectory("/");
    assert.equal(vfs.syncsAfterFailure().length, 1);
  });

  it("after a failed sync a second one succeeds, and yet a crash loses the bytes", () => {
    const { vfs, memory } = fixture({ operation: "datasync", errno: "EIO" });
    const file = vfs.open("/a", "write");
    file.write([bytesOf("new")], 0);
    assert.throws(() => file.datasync());
    file.datasync();
    assert.equal(textAt(file, 0, 9), "new");
    assert.equal(textAt(memory.crashKeepingNothing().open("/a", "read"), 0, 9), "old");
    // Without the failure the same sync would have kept them.
    const healthy = vfs.open("/b", "write");
    healthy.write([bytesOf("new")], 0);
    healthy.datasync();
    assert.equal(textAt(memory.crashKeepingNothing().open("/b", "read"), 0, 9), "new");
  });

  it("after a failed sync of a directory a second one settles no name", () => {
    const { vfs, memory } = fixture({ operation: "syncDirectory", errno: "EIO" });
    vfs.remove("/a");
    assert.throws(() => vfs.syncDirectory("/"));
    vfs.syncDirectory("/");
    assert.deepEqual(memory.crashKeepingNothing().list("/"), ["a", "b"]);
  });
});
