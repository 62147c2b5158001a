/**
 * What every file system must do, run against the disk and against memory: the store is tested on one and
 * used on the other. Durability is not in here; no test can cut the power of a disk.
 */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import type { OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { readWhole, writeNew } from "../../src/vfs/whole.ts";

export interface VfsUnderTest {
  readonly vfs: Vfs;
  /** An empty directory. */
  readonly directory: string;
}

export function ioErrorWith(operation: string, path: string, errno: string) {
  return (error: unknown): boolean => {
    assert.ok(isStoreError(error, "STORE_IO"), String(error));
    assert.deepEqual([error.operation, error.path, error.errno], [operation, path, errno]);
    return true;
  };
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textAt(file: VfsFile, position: number, length: number): string {
  const target = new Uint8Array(length);
  return Buffer.from(target.subarray(0, file.read(target, position))).toString("latin1");
}

export function runVfsSuite(name: string, make: (t: TestContext) => VfsUnderTest): void {
  const fixture = (t: TestContext) => {
    const { vfs, directory } = make(t);
    const path = (file: string): string => `${directory}/${file}`;
    const open = (file: string, mode: OpenMode): VfsFile => {
      const opened = vfs.open(path(file), mode);
      t.after(() => opened.close());
      return opened;
    };
    return { vfs, directory, path, open };
  };

  describe(`${name}: files`, () => {
    it("a created file reads back what was written, from any position", (t) => {
      const { open } = fixture(t);
      const file = open("a", "create");
      file.write([bytesOf("hello "), new Uint8Array(0), bytesOf("world")], 0);
      assert.equal(textAt(file, 0, 64), "hello world");
      assert.equal(textAt(file, 6, 3), "wor");
      assert.equal(textAt(file, 11, 3), "");
      assert.equal(textAt(file, 400, 3), "");
      assert.equal(file.stat().size, 11);
    });

    it("a write beyond the end leaves zeros between, one over old bytes replaces them", (t) => {
      const { open } = fixture(t);
      const file = open("a", "create");
      file.write([bytesOf("ab")], 0);
      file.write([bytesOf("z")], 5);
      file.write([bytesOf("B")], 1);
      assert.equal(textAt(file, 0, 9), "aB\0\0\0z");
    });

    it("a write of nothing changes nothing", (t) => {
      const { open } = fixture(t);
      const file = open("a", "create");
      file.write([], 10);
      file.write([new Uint8Array(0)], 10);
      assert.equal(file.stat().size, 0);
    });

    it("thousands of parts and shared memory are written in one call", (t) => {
      const { open } = fixture(t);
      const file = open("a", "create");
      const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(120);
      const zeros = new Uint8Array(new SharedArrayBuffer(2));
      file.write([zeros, ...Array.from({ length: 3000 }, () => shared)], 0);
      assert.equal(file.stat().size, 9002);
      assert.equal(textAt(file, 0, 4), "\0\0xx");
      assert.equal(textAt(file, 8999, 9), "xxx");
    });

    it("large writes keep every byte", (t) => {
      const { open } = fixture(t);
      const large = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
      const file = open("a", "create");
      file.write([large.subarray(0, 131_073), large.subarray(131_073)], 77);
      const target = new Uint8Array(300_000);
      assert.equal(file.read(target, 77), 300_000);
      assert.equal(Buffer.compare(target, large), 0);
      assert.equal(textAt(file, 0, 77), "\0".repeat(77));
    });

    it("truncation cuts, and growing again shows zeros", (t) => {
      const { open } = fixture(t);
      const file = open("a", "create");
      file.write([bytesOf("hello world")], 0);
      file.truncate(4);
      assert.equal(textAt(file, 0, 64), "hell");
      file.truncate(6);
      assert.equal(textAt(file, 0, 64), "hell\0\0");
      file.write([bytesOf("!")], 8);
      assert.equal(textAt(file, 0, 64), "hell\0\0\0\0!");
    });

    it("two handles of one file share its content", (t) => {
      const { open } = fixture(t);
      const writer = open("a", "create");
      const reader = open("a", "read");
      writer.write([bytesOf("shared")], 0);
      assert.equal(textAt(reader, 0, 10), "shared");
      assert.equal(reader.stat().ino, writer.stat().ino);
    });

    it("a removed file stays readable and writable through its open handles", (t) => {
      const { vfs, open, path } = fixture(t);
      const file = open("a", "create");
      file.write([bytesOf("still")], 0);
      assert.equal(file.stat().links, 1);
      assert.equal(vfs.remove(path("a")), true);
      file.write([bytesOf(" here")], 5);
      assert.equal(textAt(file, 0, 20), "still here");
      assert.equal(file.stat().links, 0);
      assert.equal(vfs.stat(path("a")), undefined);
    });

    it("create refuses an existing name", (t) => {
      const { vfs, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      assert.throws(() => vfs.open(path("a"), "create"), ioErrorWith("open", path("a"), "EEXIST"));
    });

    it("reading and writing refuse an absent name and an absent directory", (t) => {
      const { vfs, path } = fixture(t);
      for (const mode of ["read", "write"] as const) {
        assert.throws(() => vfs.open(path("a"), mode), ioErrorWith("open", path("a"), "ENOENT"));
      }
      assert.throws(() => vfs.open(path("no/a"), "create"), ioErrorWith("open", path("no/a"), "ENOENT"));
    });

    it("a directory is no file, a file no directory", (t) => {
      const { vfs, directory, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      for (const mode of ["read", "write"] as const) {
        assert.throws(() => vfs.open(directory, mode), ioErrorWith("open", directory, "EISDIR"));
      }
      assert.throws(() => vfs.open(path("a/b"), "create"), ioErrorWith("open", path("a/b"), "ENOTDIR"));
    });

    it("a handle for reading refuses to write, cut or lock", (t) => {
      const { vfs, open, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      const file = open("a", "read");
      assert.throws(() => file.write([bytesOf("2")], 0), ioErrorWith("write", path("a"), "EBADF"));
      assert.throws(() => file.truncate(0), ioErrorWith("truncate", path("a"), "EINVAL"));
      assert.throws(() => file.tryLock(), ioErrorWith("lock", path("a"), "EBADF"));
      assert.equal(textAt(file, 0, 9), "1");
    });

    it("a closed handle refuses everything but a second close", (t) => {
      const { open, path } = fixture(t);
      const file = open("a", "create");
      file.close();
      file.close();
      const calls: readonly [string, () => void][] = [
        ["read", () => file.read(new Uint8Array(1), 0)],
        ["write", () => file.write([bytesOf("1")], 0)],
        ["datasync", () => file.datasync()],
        ["sync", () => file.sync()],
        ["stat", () => file.stat()],
        ["truncate", () => file.truncate(0)],
        ["lock", () => file.tryLock()],
      ];
      for (const [operation, call] of calls) {
        assert.throws(call, ioErrorWith(operation, path("a"), "EBADF"));
      }
    });

    it("syncs answer nothing and keep the content", (t) => {
      const { open } = fixture(t);
      const file = open("a", "create");
      file.write([bytesOf("kept")], 0);
      file.datasync();
      file.sync();
      assert.equal(textAt(file, 0, 10), "kept");
    });
  });

  describe(`${name}: names`, () => {
    it("makeDirectory makes the parents, and an existing one is fine", (t) => {
      const { vfs, path } = fixture(t);
      vfs.makeDirectory(path("x/y/z"));
      vfs.makeDirectory(path("x/y"));
      assert.deepEqual(vfs.list(path("x")), ["y"]);
      assert.equal(vfs.stat(path("x/y/z"))?.kind, "directory");
    });

    it("makeDirectory refuses a file in its way", (t) => {
      const { vfs, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      assert.throws(() => vfs.makeDirectory(path("a")), ioErrorWith("makeDirectory", path("a"), "EEXIST"));
      assert.throws(
        () => vfs.makeDirectory(path("a/b")),
        ioErrorWith("makeDirectory", path("a/b"), "ENOTDIR"),
      );
    });

    it("list answers the names in order", (t) => {
      const { vfs, directory, path } = fixture(t);
      for (const file of ["b", "a", "10", "2", "C"]) writeNew(vfs, path(file), bytesOf(file));
      assert.deepEqual(vfs.list(directory), ["10", "2", "C", "a", "b"]);
    });

    it("list refuses an absent directory and a file", (t) => {
      const { vfs, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      assert.throws(() => vfs.list(path("no")), ioErrorWith("list", path("no"), "ENOENT"));
      assert.throws(() => vfs.list(path("a")), ioErrorWith("list", path("a"), "ENOTDIR"));
    });

    it("stat tells files by identity, and absence", (t) => {
      const { vfs, path, open } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("123"));
      writeNew(vfs, path("b"), bytesOf(""));
      const [a, b] = [vfs.stat(path("a")), vfs.stat(path("b"))];
      assert.deepEqual([a?.size, a?.kind, a?.links, b?.size], [3, "file", 1, 0]);
      assert.notEqual(a?.ino, b?.ino);
      assert.deepEqual(a, open("a", "read").stat());
      assert.equal(vfs.stat(path("c")), undefined);
      assert.equal(vfs.stat(path("no/c")), undefined);
      assert.throws(() => vfs.stat(path("a/c")), ioErrorWith("stat", path("a/c"), "ENOTDIR"));
    });

    it("rename replaces the target, whose open handles keep the old content", (t) => {
      const { vfs, directory, path, open } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("new"));
      writeNew(vfs, path("b"), bytesOf("old"));
      const old = open("b", "read");
      vfs.rename(path("a"), path("b"));
      assert.deepEqual(vfs.list(directory), ["b"]);
      assert.deepEqual(readWhole(vfs, path("b"), 10), Buffer.from("new"));
      assert.equal(textAt(old, 0, 10), "old");
      assert.equal(old.stat().links, 0);
    });

    it("rename moves between directories and to itself", (t) => {
      const { vfs, directory, path } = fixture(t);
      vfs.makeDirectory(path("x"));
      writeNew(vfs, path("a"), bytesOf("1"));
      vfs.rename(path("a"), path("x/b"));
      vfs.rename(path("x/b"), path("x/b"));
      assert.deepEqual([vfs.list(directory), vfs.list(path("x"))], [["x"], ["b"]]);
    });

    it("rename moves a directory with what is in it", (t) => {
      const { vfs, directory, path } = fixture(t);
      vfs.makeDirectory(path("x/y"));
      writeNew(vfs, path("x/y/a"), bytesOf("1"));
      vfs.rename(path("x"), path("z"));
      assert.deepEqual([vfs.list(directory), vfs.list(path("z/y"))], [["z"], ["a"]]);
    });

    it("rename refuses what cannot be", (t) => {
      const { vfs, path } = fixture(t);
      vfs.makeDirectory(path("x/y"));
      vfs.makeDirectory(path("empty"));
      writeNew(vfs, path("a"), bytesOf("1"));
      const refusals: readonly [string, string, string][] = [
        ["no", "b", "ENOENT"],
        ["a", "no/b", "ENOENT"],
        ["a", "empty", "EISDIR"],
        ["empty", "a", "ENOTDIR"],
        ["empty", "x", "ENOTEMPTY"],
        ["x", "x/y/z", "EINVAL"],
      ];
      for (const [source, target, errno] of refusals) {
        assert.throws(
          () => vfs.rename(path(source), path(target)),
          ioErrorWith("rename", path(source), errno),
          `${source} to ${target}`,
        );
      }
    });

    it("remove tells whether there was a file, and removes no directory", (t) => {
      const { vfs, directory, path } = fixture(t);
      vfs.makeDirectory(path("x"));
      writeNew(vfs, path("a"), bytesOf("1"));
      assert.equal(vfs.remove(path("a")), true);
      assert.equal(vfs.remove(path("a")), false);
      assert.throws(
        () => vfs.remove(path("x")),
        (error) => isStoreError(error, "STORE_IO") && ["EISDIR", "EPERM"].includes(error.errno),
      );
      assert.deepEqual(vfs.list(directory), ["x"]);
    });

    it("syncDirectory accepts a directory only", (t) => {
      const { vfs, directory, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      vfs.syncDirectory(directory);
      const absent = path("no");
      assert.throws(() => vfs.syncDirectory(absent), ioErrorWith("syncDirectory", absent, "ENOENT"));
      assert.throws(() => vfs.syncDirectory(path("a")), ioErrorWith("syncDirectory", path("a"), "ENOTDIR"));
    });

    it("a file above the limit is not read", (t) => {
      const { vfs, path } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("12345"));
      assert.throws(() => readWhole(vfs, path("a"), 4), ioErrorWith("read", path("a"), "EFBIG"));
      assert.deepEqual(readWhole(vfs, path("a"), 5), Buffer.from("12345"));
      assert.equal(readWhole(vfs, path("b"), 5), undefined);
    });

    it("the file system of a directory has a name and is not on a network", (t) => {
      const { vfs, directory, path } = fixture(t);
      const { name, network } = vfs.fileSystem(directory);
      assert.ok(name.length > 0);
      assert.equal(network, false);
      assert.throws(() => vfs.fileSystem(path("no")), ioErrorWith("fileSystem", path("no"), "ENOENT"));
    });
  });

  describe(`${name}: locks`, () => {
    it("the lock of a file excludes every other open of it, until its holder closes", (t) => {
      const { vfs, path, open } = fixture(t);
      writeNew(vfs, path("a"), bytesOf("1"));
      const [holder, other] = [open("a", "write"), open("a", "write")];
      assert.equal(holder.tryLock(), true);
      assert.equal(holder.tryLock(), true);
      assert.equal(other.tryLock(), false);
      holder.close();
      assert.equal(other.tryLock(), true);
    });

    it("the lock survives another open and close of the file, and its removal", (t) => {
      const { vfs, path, open } = fixture(t);
      const holder = open("a", "create");
      assert.equal(holder.tryLock(), true);
      vfs.open(path("a"), "read").close();
      const passer = vfs.open(path("a"), "write");
      assert.equal(passer.tryLock(), false);
      passer.close();
      const witness = open("a", "write");
      assert.equal(witness.tryLock(), false);
      vfs.remove(path("a"));
      assert.equal(witness.tryLock(), false);
      assert.equal(open("a", "create").tryLock(), true);
    });
  });
}
