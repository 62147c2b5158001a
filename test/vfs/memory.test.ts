/** The memory file system without crashes: the shared suite in both makes, and the observer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { writeNew } from "../../src/vfs/whole.ts";
import { bytesOf, runVfsSuite } from "./suite.ts";

for (const crashable of [true, false]) {
  runVfsSuite(`memory, crashable ${crashable}`, () => {
    const vfs = new MemoryVfs({ crashable });
    vfs.makeDirectory("/store");
    return { vfs, directory: "/store" };
  });
}

describe("memory: observer", () => {
  it("every mutating operation is announced before it happens, in order", () => {
    const vfs = new MemoryVfs();
    const seen: string[] = [];
    vfs.onOperation = ({ at, operation, path }) => {
      seen.push(`${at} ${operation} ${path} ${vfs.stat("/s/a")?.size ?? "absent"}`);
    };
    vfs.makeDirectory("/s");
    const file = vfs.open("/s/a", "create");
    file.write([bytesOf("12"), bytesOf("3")], 0);
    file.datasync();
    file.truncate(1);
    file.sync();
    vfs.syncDirectory("/s");
    vfs.rename("/s/a", "/s/b");
    vfs.remove("/s/b");
    assert.deepEqual(seen, [
      "0 makeDirectory /s absent",
      "1 open /s/a absent",
      "2 write /s/a 0",
      "3 datasync /s/a 3",
      "4 truncate /s/a 3",
      "5 sync /s/a 1",
      "6 syncDirectory /s 1",
      "7 rename /s/a 1",
      "8 remove /s/b absent",
    ]);
  });

  it("what is refused, and what only reads, is not announced", () => {
    const vfs = new MemoryVfs();
    writeNew(vfs, "/a", bytesOf("1"));
    vfs.onOperation = ({ operation }) => assert.fail(operation);
    assert.throws(() => vfs.open("/a", "create"));
    assert.throws(() => vfs.rename("/no", "/b"));
    assert.equal(vfs.remove("/no"), false);
    vfs.makeDirectory("/");
    vfs.open("/a", "read").close();
    assert.deepEqual(vfs.list("/"), ["a"]);
  });

  it("an observer that throws stops the operation", () => {
    const vfs = new MemoryVfs();
    writeNew(vfs, "/a", bytesOf("old"));
    vfs.onOperation = () => {
      throw new Error("stop");
    };
    const file = vfs.open("/a", "write");
    assert.throws(() => file.write([bytesOf("new")], 0), /stop/);
    assert.throws(() => vfs.rename("/a", "/b"), /stop/);
    assert.throws(() => vfs.open("/c", "create"), /stop/);
    assert.deepEqual(vfs.list("/"), ["a"]);
    const target = Buffer.alloc(3);
    file.read(target, 0);
    assert.equal(target.toString(), "old");
  });
});

describe("memory: without a crash model", () => {
  it("nothing is pending, and a crash is refused", () => {
    const vfs = new MemoryVfs({ crashable: false });
    writeNew(vfs, "/a", bytesOf("1"));
    vfs.open("/a", "write").write([bytesOf("2")], 0);
    assert.deepEqual(vfs.pending(), []);
    assert.throws(
      () => vfs.crashKeepingEverything(),
      (error) => isStoreError(error, "INTERNAL"),
    );
  });
});
