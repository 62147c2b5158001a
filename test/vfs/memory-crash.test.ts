/**
 * The crash model itself: every loss it promises really happens, and nothing that was synced is ever lost.
 * A model that is too kind would let a broken store pass all its crash tests.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import {
  type CrashChooser,
  chooseFates,
  keepEverything,
  keepNothing,
  type SectorFate,
} from "../../src/vfs/memory-crash.ts";
import type { VfsFile } from "../../src/vfs/vfs.ts";
import { readWhole } from "../../src/vfs/whole.ts";
import { bytesOf } from "./suite.ts";

const SECTOR = 512;

/** A file whose name and first content are durable. */
function syncedFile(content: Uint8Array): { vfs: MemoryVfs; file: VfsFile } {
  const vfs = new MemoryVfs();
  const file = vfs.open("/a", "create");
  file.write([content], 0);
  file.datasync();
  vfs.syncDirectory("/");
  return { vfs, file };
}

function sectors(letters: string): Uint8Array {
  return Buffer.concat([...letters].map((letter) => Buffer.alloc(SECTOR, letter)));
}

/** The content, a letter per sector that is all of that letter, "?" for others; "absent". */
function letters(vfs: MemoryVfs, path = "/a"): string {
  const bytes = readWhole(vfs, path, 1e6);
  if (bytes === undefined) return "absent";
  const found: string[] = [];
  for (let at = 0; at < bytes.byteLength; at += SECTOR) {
    const sector = Buffer.from(bytes.subarray(at, at + SECTOR));
    const [first = 0] = sector;
    const uniform = sector.every((byte) => byte === first);
    found.push(uniform ? (first === 0 ? "0" : String.fromCharCode(first)) : "?");
  }
  return found.join("");
}

function text(vfs: MemoryVfs, path = "/a"): string {
  const bytes = readWhole(vfs, path, 1e6);
  return bytes === undefined ? "absent" : Buffer.from(bytes).toString("latin1");
}

/** Every sector meets the fate of its turn; everything else is kept. */
function sectorFates(...fates: SectorFate[]): CrashChooser {
  let turn = 0;
  return { ...keepEverything, sector: () => fates[turn++] ?? "kept" };
}

function allCrashes(vfs: MemoryVfs, show: (crashed: MemoryVfs) => string): Set<string> {
  return new Set([...vfs.crashes()].map((crash) => show(crash.vfs)));
}

describe("crash: contents", () => {
  it("an unsynced write is lost, a synced one is not", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("B")], 0);
    assert.equal(letters(vfs.crashKeepingNothing()), "A");
    assert.equal(letters(vfs.crashKeepingEverything()), "B");
    file.datasync();
    assert.deepEqual([...allCrashes(vfs, letters)], ["B"]);
  });

  it("sync keeps what datasync keeps", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("B")], 0);
    file.sync();
    assert.equal(letters(vfs.crashKeepingNothing()), "B");
  });

  it("the sync of one file is none of another's", () => {
    const { vfs } = syncedFile(sectors("A"));
    const other = vfs.open("/b", "create");
    vfs.open("/a", "write").write([sectors("B")], 0);
    other.sync();
    assert.equal(letters(vfs.crashKeepingNothing()), "A");
  });

  it("sectors of one write survive one by one", () => {
    const { vfs, file } = syncedFile(sectors("ABC"));
    file.write([sectors("xyz")], 0);
    const found = allCrashes(vfs, letters);
    for (const state of ["ABC", "xyz", "xBC", "xyC", "Ayz", "xBz", "AyC", "ABz"]) {
      assert.ok(found.has(state), state);
    }
  });

  it("a torn sector has the front of one content and the back of the other", () => {
    const { vfs, file } = syncedFile(sectors("AB"));
    file.write([sectors("xy")], 0);
    const front = text(vfs.crash(sectorFates({ torn: "front", bytes: 100 }, "lost")));
    assert.equal(front, "x".repeat(100) + "A".repeat(412) + "B".repeat(512));
    const back = text(vfs.crash(sectorFates("lost", { torn: "back", bytes: 100 })));
    assert.equal(back, "A".repeat(512) + "B".repeat(100) + "y".repeat(412));
  });

  it("a torn or garbage sector harms only the range written since the sync", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([bytesOf("xxxx")], 10);
    for (const fate of [{ garbage: 7 }, { torn: "front", bytes: 2 }, { torn: "back", bytes: 2 }] as const) {
      const found = text(vfs.crash(sectorFates(fate)));
      assert.equal(found.slice(0, 10) + found.slice(14), "A".repeat(508));
      assert.notEqual(found.slice(10, 14), "xxxx");
      assert.notEqual(found.slice(10, 14), "AAAA");
    }
  });

  it("a sector shows its history in order, never a later write without an earlier one", () => {
    const { vfs, file } = syncedFile(bytesOf("----"));
    file.write([bytesOf("1")], 0);
    file.write([bytesOf("2")], 2);
    assert.equal(text(vfs.crash(sectorFates("kept", "lost"))), "1---");
    assert.equal(text(vfs.crash(sectorFates("lost", "kept"))), "1-2-");
    assert.equal(text(vfs.crash(sectorFates("lost", "lost"))), "----");
  });

  it("an append can leave its length without its bytes, and its bytes without its length as far as kept", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("BC")], SECTOR);
    const lengthOnly = chooseFates(({ part }) => (part === "length" ? "kept" : "lost"));
    assert.equal(letters(vfs.crash(lengthOnly)), "A00");
    const secondOnly = chooseFates((part) =>
      part.part === "sector" && part.start === 1024 ? "kept" : "lost",
    );
    assert.equal(letters(vfs.crash(secondOnly)), "A0C");
    const firstOnly = chooseFates((part) => (part.part === "sector" && part.start === 512 ? "kept" : "lost"));
    assert.equal(letters(vfs.crash(firstOnly)), "AB");
  });

  it("an unsynced truncation may be undone", () => {
    const { vfs, file } = syncedFile(sectors("ABC"));
    file.truncate(SECTOR);
    assert.deepEqual(allCrashes(vfs, letters), new Set(["ABC", "A"]));
    file.truncate(2 * SECTOR);
    assert.equal(letters(vfs.crashKeepingEverything()), "A0");
    assert.equal(letters(vfs.crashKeepingNothing()), "ABC");
    file.sync();
    assert.deepEqual([...allCrashes(vfs, letters)], ["A0"]);
  });

  it("prefixes grow an append sector by sector", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("BCD")], SECTOR);
    const titles = [...vfs.crashes()].filter(({ title }) => title.startsWith("kept as far as"));
    assert.deepEqual(
      titles.map((crash) => letters(crash.vfs)),
      ["AB", "ABC", "ABCD"],
    );
  });
});

describe("crash: names", () => {
  it("a created name is lost without the sync of its directory, whatever was synced of its content", () => {
    const vfs = new MemoryVfs();
    const file = vfs.open("/a", "create");
    file.write([sectors("A")], 0);
    file.sync();
    assert.equal(letters(vfs.crashKeepingNothing()), "absent");
    vfs.syncDirectory("/");
    assert.deepEqual([...allCrashes(vfs, letters)], ["A"]);
  });

  it("a name can survive without its content", () => {
    const vfs = new MemoryVfs();
    vfs.open("/a", "create").write([sectors("AB")], 0);
    vfs.syncDirectory("/");
    const found = allCrashes(vfs, letters);
    for (const state of ["", "A", "AB", "0B", "00"]) assert.ok(found.has(state), state);
  });

  it("a name can survive with stale content", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("B")], 0);
    vfs.rename("/a", "/b");
    vfs.syncDirectory("/");
    assert.equal(letters(vfs.crashKeepingNothing(), "/b"), "A");
  });

  it("a rename is undone without the sync of the directory, and its target comes back", () => {
    const { vfs } = syncedFile(bytesOf("old"));
    const next = vfs.open("/next", "create");
    next.write([bytesOf("new")], 0);
    next.sync();
    vfs.syncDirectory("/");
    vfs.rename("/next", "/a");
    const undone = vfs.crashKeepingNothing();
    assert.deepEqual([undone.list("/"), text(undone), text(undone, "/next")], [["a", "next"], "old", "new"]);
    const done = vfs.crashKeepingEverything();
    assert.deepEqual([done.list("/"), text(done)], [["a"], "new"]);
    vfs.syncDirectory("/");
    assert.deepEqual([...allCrashes(vfs, text)], ["new"]);
  });

  it("a removal is undone without the sync of the directory, with the content of the last sync", () => {
    const { vfs, file } = syncedFile(bytesOf("old"));
    file.write([bytesOf("new")], 0);
    vfs.remove("/a");
    assert.equal(text(vfs.crashKeepingNothing()), "old");
    assert.equal(text(vfs.crashKeepingEverything()), "absent");
    vfs.syncDirectory("/");
    assert.deepEqual([...allCrashes(vfs, text)], ["absent"]);
  });

  it("a directory is lost with all in it until its parent is synced", () => {
    const vfs = new MemoryVfs();
    vfs.makeDirectory("/x/y");
    vfs.open("/x/y/a", "create").sync();
    vfs.syncDirectory("/x/y");
    vfs.syncDirectory("/x");
    assert.deepEqual(vfs.crashKeepingNothing().list("/"), []);
    vfs.syncDirectory("/");
    assert.deepEqual(vfs.crashKeepingNothing().list("/x/y"), ["a"]);
  });

  it("each name can be the only one lost, the only one kept, or the last of a prefix", () => {
    const vfs = new MemoryVfs();
    for (const name of ["/1", "/2", "/3"]) vfs.open(name, "create");
    const found = allCrashes(vfs, (crashed) => crashed.list("/").join(""));
    assert.deepEqual(found, new Set(["", "123", "1", "12", "23", "13", "2", "3"]));
  });

  it("a rename between directories settles with the sync of either, and takes earlier changes along", () => {
    for (const synced of ["/x", "/y"]) {
      const vfs = new MemoryVfs();
      vfs.makeDirectory("/x");
      vfs.makeDirectory("/y");
      vfs.syncDirectory("/");
      vfs.open("/y/b", "create");
      vfs.open("/x/a", "create");
      vfs.rename("/x/a", "/y/b");
      vfs.open("/x/c", "create");
      vfs.open("/y/c", "create");
      const before = vfs.crashKeepingNothing();
      assert.deepEqual([before.list("/x"), before.list("/y")], [[], []]);
      vfs.syncDirectory(synced);
      const after = vfs.crashKeepingNothing();
      assert.deepEqual(
        [after.list("/x"), after.list("/y")],
        synced === "/x" ? [["c"], ["b"]] : [[], ["b", "c"]],
      );
      assert.equal(after.stat("/y/b")?.ino, vfs.stat("/y/b")?.ino);
    }
  });

  it("a file that moved twice has one name, whichever move is lost", () => {
    for (const [first, second, third] of [
      ["/a", "/b", "/c"],
      ["/x/a", "/y/a", "/z/a"],
    ] as const) {
      const vfs = new MemoryVfs();
      for (const directory of ["/x", "/y", "/z"]) vfs.makeDirectory(directory);
      vfs.open(first, "create");
      for (const directory of ["/", "/x"]) vfs.syncDirectory(directory);
      vfs.rename(first, second);
      vfs.rename(second, third);
      const found = allCrashes(vfs, (crashed) =>
        [first, second, third].filter((path) => crashed.stat(path) !== undefined).join(),
      );
      assert.deepEqual(found, new Set([first, second, third]));
    }
  });
});

describe("crash: the whole", () => {
  it("a crash is a file system of its own, and leaves the first as it was", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("B")], 0);
    assert.equal(file.tryLock(), true);
    const crashed = vfs.crashKeepingNothing();
    const other = crashed.open("/a", "write");
    assert.equal(other.tryLock(), true, "locks end with the crash");
    other.write([sectors("C")], 0);
    assert.equal(letters(vfs), "B");
    file.write([sectors("D")], 0);
    assert.equal(letters(crashed), "C");
    assert.equal(letters(crashed.crashKeepingNothing()), "A");
    assert.equal(letters(vfs.crashKeepingNothing()), "A");
    assert.notEqual(crashed.open("/b", "create").stat().ino, other.stat().ino);
  });

  it("after a crash nothing is pending, and crashing again changes nothing", () => {
    const { vfs, file } = syncedFile(sectors("AB"));
    file.write([sectors("xy")], 0);
    vfs.open("/b", "create");
    for (let seed = 0; seed < 50; seed++) {
      const crashed = vfs.crashRandomly(seed);
      assert.deepEqual(crashed.pending(), []);
      assert.equal(text(crashed.crashKeepingNothing()), text(crashed));
    }
  });

  it("a seed repeats its crash, and seeds differ", () => {
    const { vfs, file } = syncedFile(sectors("ABCD"));
    file.write([sectors("wxyz")], 0);
    const states = Array.from({ length: 200 }, (_, seed) => text(vfs.crashRandomly(seed)));
    assert.deepEqual(
      states,
      Array.from({ length: 200 }, (_, seed) => text(vfs.crashRandomly(seed))),
    );
    assert.ok(new Set(states).size > 20, `${new Set(states).size} states`);
    for (const state of [sectors("ABCD"), sectors("wxyz")]) {
      assert.ok(states.includes(Buffer.from(state).toString("latin1")));
    }
  });

  it("what is pending is told in the order of the operations", () => {
    const { vfs, file } = syncedFile(sectors("A"));
    file.write([sectors("x"), sectors("y")], 0);
    vfs.rename("/a", "/b");
    file.truncate(100);
    const told = vfs.pending().map(({ part, at }) => `${part} ${at}`);
    assert.deepEqual(told, ["sector 4", "sector 4", "length 4", "name 5", "length 6"]);
    assert.equal(letters(vfs.crash(keepNothing)), "A");
  });
});
