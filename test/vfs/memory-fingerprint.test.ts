/** Counting crash states by content is worth something only if the fingerprint follows content and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { chooseRandomly } from "../../src/vfs/memory-crash.ts";
import { randomFrom } from "../../src/vfs/memory-random.ts";
import { readWhole } from "../../src/vfs/whole.ts";

/** Names and contents in full. */
function contentOf(vfs: MemoryVfs, path = "/"): string {
  return vfs
    .list(path)
    .map((name) => {
      const reached = path === "/" ? `/${name}` : `${path}/${name}`;
      if (vfs.stat(reached)?.kind === "directory") return `${reached}\n${contentOf(vfs, reached)}`;
      return `${reached} ${Buffer.from(readWhole(vfs, reached, 1e6) ?? []).toString("base64")}\n`;
    })
    .join("");
}

/** Files written, cut, renamed, removed and synced at random. */
function disturb(vfs: MemoryVfs, random: () => number, steps: number): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let step = 0; step < steps; step++) {
    const path = `/${below(2) === 0 ? "d/" : ""}f${below(3)}`;
    const action = below(7);
    if (action === 0) vfs.remove(path);
    else if (action === 1 && vfs.stat(path) !== undefined) vfs.rename(path, `/d/g${below(2)}`);
    else if (action === 2) vfs.syncDirectory(below(2) === 0 ? "/" : "/d");
    else {
      const file = vfs.open(path, vfs.stat(path) === undefined ? "create" : "write");
      if (action === 3) file.sync();
      else if (action === 4) file.truncate(below(2000));
      else file.write([Buffer.alloc(1 + below(1500), below(3))], below(1500));
      file.close();
    }
  }
}

test("two file systems have one fingerprint exactly when they have one content", () => {
  const random = randomFrom(41);
  const contents = new Map<number, string>();
  const fingerprints = new Map<string, number>();
  for (let run = 0; run < 60; run++) {
    const vfs = new MemoryVfs();
    vfs.makeDirectory("/d");
    for (let step = 0; step < 6; step++) {
      disturb(vfs, random, 4);
      const crashes = [vfs, ...[1, 2, 3, 4].map((seed) => vfs.crash(chooseRandomly(seed)))];
      for (const one of [...crashes, ...crashes.map((left) => left.crashKeepingEverything())]) {
        const [print, content] = [one.fingerprint(), contentOf(one)];
        assert.equal(contents.get(print) ?? content, content);
        assert.equal(fingerprints.get(content) ?? print, print);
        contents.set(print, content);
        fingerprints.set(content, print);
      }
    }
  }
  assert.ok(contents.size > 300, String(contents.size));
});

test("a fingerprint follows a write, a name, and the way back", () => {
  const vfs = new MemoryVfs();
  const file = vfs.open("/a", "create");
  file.write([Buffer.from("one")], 700);
  const before = vfs.fingerprint();
  file.write([Buffer.from("two")], 700);
  assert.notEqual(vfs.fingerprint(), before);
  file.write([Buffer.from("one")], 700);
  assert.equal(vfs.fingerprint(), before);
  vfs.rename("/a", "/b");
  assert.notEqual(vfs.fingerprint(), before);
  file.sync();
  vfs.rename("/b", "/a");
  assert.equal(vfs.fingerprint(), before);
  file.truncate(704);
  assert.notEqual(vfs.fingerprint(), before);
});

test("a moment is not changed by what happens after it", () => {
  const vfs = new MemoryVfs();
  const file = vfs.open("/a", "create");
  file.write([Buffer.from("one")], 0);
  const moment = vfs.moment();
  const [nothing, everything] = [
    moment.parts.map(() => "lost" as const),
    moment.parts.map(() => "kept" as const),
  ];
  file.write([Buffer.from("two")], 0);
  file.sync();
  vfs.syncDirectory("/");
  vfs.rename("/a", "/b");
  assert.equal(contentOf(moment.crash(nothing)), "");
  assert.equal(Buffer.from(readWhole(moment.crash(everything), "/a", 100) ?? []).toString(), "one");
  const crashed = moment.crash(everything);
  crashed.open("/a", "write").write([Buffer.from("x")], 0);
  assert.equal(Buffer.from(readWhole(moment.crash(everything), "/a", 100) ?? []).toString(), "one");
});
