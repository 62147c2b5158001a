/**
 * Damage to a small log, larger than a bit: blocks, swapped segments, TAIL of another time; and what the
 * refusals name. The answer is always the acknowledged data, whole, or CORRUPT naming a file of the log;
 * never silence, never other data. Damage to TAIL is never refused.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { verifyLog } from "../../src/wal/log.ts";
import { DIRECTORY, LogFixture, readFile, refusal, STORE_ID, segmentPathOf, writeFile } from "./fixture.ts";
import { ACTIVE, MIXED, type Small, small, TAIL } from "./small.ts";

const SEGMENT_BYTES = 65_536;
const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** "whole" or "refused" by opening a copy for writing, going on with it included; anything else fails. */
async function reopen(log: LogFixture, vfs: MemoryVfs, what: string): Promise<"whole" | "refused"> {
  const copy = log.on(vfs.crashKeepingEverything());
  try {
    await copy.open();
  } catch (error) {
    assert.ok(isStoreError(error, "CORRUPT") && error.file.startsWith(DIRECTORY), `${what}: ${error}`);
    return "refused";
  }
  assert.deepEqual(
    copy.found.map(({ lsn }) => lsn),
    ALL,
    what,
  );
  copy.check(ALL);
  await copy.write(50);
  assert.ok(copy.durable.has(11), what);
  return "whole";
}

function flip(vfs: MemoryVfs, path: string, bit: number): void {
  const file = vfs.open(path, "write");
  const byte = new Uint8Array(1);
  file.read(byte, bit >> 3);
  file.write([Uint8Array.of((byte[0] ?? 0) ^ (1 << (bit & 7)))], bit >> 3);
  // Damage is not a write that a crash could lose; unsynced, the history of all flips would pile up.
  file.sync();
  file.close();
}

for (const closed of [false, true]) {
  describe(closed ? "a closed log" : "a killed log", () => {
    let given: Small;
    before(async () => {
      given = await small({ batches: MIXED, segmentBytes: SEGMENT_BYTES, closed });
    });

    it("survives any zeroed, garbled or swapped block, or is refused", async () => {
      const { log, vfs, end } = given;
      const bytes = readFile(vfs, ACTIVE);
      for (const size of [512, 4096]) {
        for (let at = 0; at < end + size; at += size) {
          for (const fill of [0, 0xa5]) {
            const damaged = Buffer.from(bytes);
            damaged.fill(fill, at, at + size);
            writeFile(vfs, ACTIVE, damaged);
            await reopen(log, vfs, `${size} bytes of ${fill} at ${at}`);
          }
          const swapped = Buffer.from(bytes);
          bytes.copy(swapped, at, at + size, at + 2 * size);
          bytes.copy(swapped, at + size, at, at + size);
          writeFile(vfs, ACTIVE, swapped);
          await reopen(log, vfs, `blocks swapped at ${at}`);
        }
      }
      writeFile(vfs, ACTIVE, bytes);
    });

    it("refuses segments that changed places", async () => {
      const { log, vfs } = given;
      for (const other of [segmentPathOf(1), segmentPathOf(3)]) {
        const bytes = readFile(vfs, ACTIVE);
        const others = readFile(vfs, other);
        writeFile(vfs, ACTIVE, others);
        writeFile(vfs, other, bytes);
        assert.equal(await reopen(log, vfs, other), "refused");
        writeFile(vfs, ACTIVE, bytes);
        writeFile(vfs, other, others);
      }
    });

    it("is never refused for its TAIL: lost, garbled, zeroed, or old", async () => {
      const { log, vfs, tails } = given;
      const bytes = readFile(vfs, TAIL);
      const others = [
        Buffer.alloc(0),
        Buffer.alloc(8192),
        Buffer.alloc(8192, 0x5a),
        Buffer.alloc(9000, 1),
        ...tails,
      ];
      for (const other of others) {
        writeFile(vfs, TAIL, other);
        assert.equal(await reopen(log, vfs, `TAIL of ${other.length} bytes`), "whole");
      }
      writeFile(vfs, TAIL, bytes);
    });
  });
}

describe("damage to the last acknowledged frame", () => {
  it("is refused because of TAIL alone", async () => {
    const { log, vfs } = await small({ batches: MIXED, segmentBytes: SEGMENT_BYTES, closed: false });
    const { offset = 0 } = log.durable.get(10) ?? {};
    flip(vfs, ACTIVE, (offset + 50) * 8);
    const refused = await refusal(log.on(vfs.crashKeepingEverything()).open());
    assert.deepEqual([refused.file, refused.offset], [ACTIVE, offset]);
  });
});

describe("damage in the middle", () => {
  it("is refused with TAIL lost, because later frames prove it", async () => {
    const { log, vfs } = await small({ batches: MIXED, segmentBytes: SEGMENT_BYTES, closed: false });
    vfs.remove(TAIL);
    const { offset = 0 } = log.durable.get(3) ?? {};
    flip(vfs, ACTIVE, (offset + 5000) * 8);
    const refused = await refusal(log.on(vfs.crashKeepingEverything()).open());
    assert.deepEqual([refused.file, refused.offset], [ACTIVE, offset]);
  });
});

describe("verify", () => {
  it("names each damaged segment and goes on behind it", async () => {
    const vfs = new MemoryVfs();
    const log = new LogFixture({ vfs }).create();
    await log.open();
    for (let round = 0; round < 4; round += 1) {
      await log.write(100, 100);
      await log.roll();
    }
    const start = log.start ?? assert.fail();
    assert.deepEqual(verifyLog(vfs, DIRECTORY, STORE_ID, start), []);
    for (const lsn of [1, 5]) {
      const { segment = 0, offset = 0 } = log.durable.get(lsn) ?? {};
      flip(vfs, segmentPathOf(segment), (offset + 60) * 8);
    }
    const problems = verifyLog(vfs, DIRECTORY, STORE_ID, start);
    const wanted = [1, 5].map((lsn) => {
      const { segment = 0, offset } = log.durable.get(lsn) ?? {};
      return { file: segmentPathOf(segment), offset, code: "CORRUPT" };
    });
    assert.deepEqual(
      problems.map(({ file, offset, code }) => ({ file, offset, code })),
      wanted,
    );
  });
});
