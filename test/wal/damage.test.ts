/**
 * Damage to a small log: every bit, every length, every block. The answer is always the acknowledged data,
 * whole, or CORRUPT naming a file of the log; never silence, never other data. Damage to TAIL is never
 * refused.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import type { MemoryVfs } from "../../src/vfs/memory.ts";
import { MemoryVfs as Memory } from "../../src/vfs/memory.ts";
import { verifyLog } from "../../src/wal/log.ts";
import { DIRECTORY, LogFixture, readFile, refusal, STORE_ID, segmentPathOf, writeFile } from "./fixture.ts";

const TAIL = `${DIRECTORY}/TAIL`;
/** The first segment is empty, the second one is active, then come two spares. */
const ACTIVE = segmentPathOf(2);
const ALL = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/** Bytes of the header that hold fields; the rest of its block is zero. */
const HEADER_FIELD_BYTES = 64;

interface Small {
  readonly log: LogFixture;
  readonly vfs: MemoryVfs;
  /** TAIL as it was after each batch, oldest first. */
  readonly tails: Buffer[];
  /** End of the last frame in the active segment. */
  readonly end: number;
}

/** Ten records in five batches, one of them long; the process was killed behind the last. */
async function small(options: { readonly closed: boolean }): Promise<Small> {
  const vfs = new Memory();
  const log = new LogFixture({ vfs }).create();
  await log.open();
  await log.settle();
  const tails = [readFile(vfs, TAIL)];
  for (const batch of [[60, 33], [8300], [60, 60, 60], [1], [60, 60, 60]]) {
    await log.write(...batch);
    tails.push(readFile(vfs, TAIL));
  }
  assert.deepEqual([...log.durable.keys()], ALL);
  const last = log.durable.get(10)?.offset ?? 0;
  if (options.closed) await log.close();
  else log.kill();
  return { log, vfs, tails, end: last + 48 + 64 + (options.closed ? 48 : 0) };
}

/** "whole" or "refused"; anything else fails. Reads only. */
function look(log: LogFixture, what: string): "whole" | "refused" {
  try {
    assert.deepEqual(log.scan(), ALL, what);
    return "whole";
  } catch (error) {
    assert.ok(
      isStoreError(error, "CORRUPT") || isStoreError(error, "FORMAT_UNSUPPORTED"),
      `${what}: ${error}`,
    );
    if (isStoreError(error, "CORRUPT")) assert.ok(error.file.startsWith(DIRECTORY), what);
    return "refused";
  }
}

/** The same by opening for writing, on a copy. */
async function reopen(log: LogFixture, vfs: MemoryVfs, what: string): Promise<"whole" | "refused"> {
  const copy = log.on(vfs.crashKeepingEverything());
  try {
    await copy.open();
  } catch (error) {
    assert.ok(
      isStoreError(error, "CORRUPT") || isStoreError(error, "FORMAT_UNSUPPORTED"),
      `${what}: ${error}`,
    );
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

/** Every bit of the fields and frames, and a sample of the zeros around them. */
function* liveBits(path: string, end: number): Generator<number> {
  for (let bit = 0; bit < HEADER_FIELD_BYTES * 8; bit += 1) yield bit;
  for (let bit = HEADER_FIELD_BYTES * 8; bit < 4092 * 8; bit += 331) yield bit;
  for (let bit = 4092 * 8; bit < 4096 * 8; bit += 1) yield bit;
  if (path !== ACTIVE) return;
  for (let bit = 4096 * 8; bit < end * 8; bit += 1) {
    // Inside the long payload a sample; every bit of its table and of every short frame.
    const byte = bit >> 3;
    if (byte > 5000 && byte < 12_000 && bit % 29 !== 0) continue;
    yield bit;
  }
  for (let bit = end * 8; bit < 65536 * 8; bit += 1009) yield bit;
}

for (const closed of [false, true]) {
  describe(closed ? "a closed log" : "a killed log", () => {
    let given: Small;
    before(async () => {
      given = await small({ closed });
    });

    it("survives any single flipped bit, or is refused", async () => {
      const { log, vfs, end } = given;
      const counts = { whole: 0, refused: 0 };
      for (const path of [segmentPathOf(1), ACTIVE, segmentPathOf(3)]) {
        for (const bit of liveBits(path, end)) {
          flip(vfs, path, bit);
          counts[look(log, `bit ${bit} of ${path}`)] += 1;
          if (bit % 97 === 0) await reopen(log, vfs, `bit ${bit} of ${path}`);
          flip(vfs, path, bit);
        }
      }
      assert.ok(counts.refused > 5_000 && counts.whole > 500, JSON.stringify(counts));
      assert.equal(look(log, "restored"), "whole");
    });

    it("refuses every flipped bit of an acknowledged frame", () => {
      const { log, vfs } = given;
      for (const lsn of ALL) {
        const { offset = 0 } = log.durable.get(lsn) ?? {};
        for (let bit = offset * 8; bit < (offset + 48) * 8; bit += 1) {
          flip(vfs, ACTIVE, bit);
          assert.equal(look(log, `bit ${bit}`), "refused", `bit ${bit} of LSN ${lsn}`);
          flip(vfs, ACTIVE, bit);
        }
      }
    });

    it("survives any truncation, extension or removal of a file, or is refused", async () => {
      const { log, vfs, end } = given;
      for (const path of [segmentPathOf(1), ACTIVE, segmentPathOf(3), TAIL]) {
        const bytes = readFile(vfs, path);
        const step = path === TAIL ? 61 : 251;
        const lengths = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) => index * step);
        for (const length of [...lengths, 4095, 4096, 4097, end - 1, end, bytes.length - 1]) {
          writeFile(vfs, path, bytes.subarray(0, Math.min(length, bytes.length - 1)));
          const seen = await reopen(log, vfs, `${path} cut to ${length}`);
          if (path === ACTIVE || path === segmentPathOf(1)) assert.equal(seen, "refused");
          else assert.equal(seen, "whole");
        }
        writeFile(vfs, path, Buffer.concat([bytes, Buffer.alloc(512)]));
        await reopen(log, vfs, `${path} extended`);
        vfs.remove(path);
        const removed = await reopen(log, vfs, `${path} removed`);
        assert.equal(removed, path === ACTIVE || path === segmentPathOf(1) ? "refused" : "whole");
        writeFile(vfs, path, bytes);
      }
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

    it("is never refused for its TAIL: any bit, lost, garbled, zeroed, or old", async () => {
      const { log, vfs, tails } = given;
      const bytes = readFile(vfs, TAIL);
      for (const slot of [0, 4096]) {
        for (let bit = slot * 8; bit < (slot + 64) * 8; bit += 1) {
          flip(vfs, TAIL, bit);
          assert.equal(await reopen(log, vfs, `bit ${bit} of TAIL`), "whole");
          flip(vfs, TAIL, bit);
        }
      }
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
    const { log, vfs } = await small({ closed: false });
    const { offset = 0 } = log.durable.get(10) ?? {};
    flip(vfs, ACTIVE, (offset + 50) * 8);
    const refused = await refusal(log.on(vfs.crashKeepingEverything()).open());
    assert.deepEqual([refused.file, refused.offset], [ACTIVE, offset]);
  });
});

describe("damage in the middle", () => {
  it("is refused with TAIL lost, because later frames prove it", async () => {
    const { log, vfs } = await small({ closed: false });
    vfs.remove(TAIL);
    const { offset = 0 } = log.durable.get(3) ?? {};
    flip(vfs, ACTIVE, (offset + 5000) * 8);
    const refused = await refusal(log.on(vfs.crashKeepingEverything()).open());
    assert.deepEqual([refused.file, refused.offset], [ACTIVE, offset]);
  });
});

describe("a torn tail", () => {
  it("is cut, reported, kept in quarantine, and earlier records remain", async () => {
    const { log, vfs, end } = await small({ closed: false });
    const file = vfs.open(ACTIVE, "write");
    file.write([Buffer.alloc(100, 0x77)], end);
    file.close();
    const copy = log.on(vfs.crashKeepingEverything());
    const recovery = await copy.open();
    copy.check(ALL);
    assert.equal(recovery.cleanClose, false);
    assert.ok(recovery.tornBytes >= 48, String(recovery.tornBytes));
    assert.equal(recovery.warnings.length, 1);
    const [name] = copy.vfs.list("/store/quarantine");
    const kept = readFile(copy.vfs, `/store/quarantine/${name}`);
    assert.deepEqual(kept, readFile(vfs, ACTIVE).subarray(end, end + recovery.tornBytes));
  });

  it("leaves at most eight copies in quarantine", async () => {
    const log = new LogFixture().create();
    for (let round = 0; round < 12; round += 1) {
      await log.open();
      await log.write(100);
      const { segment = 0, offset = 0 } = log.durable.get(log.log.lastLsn) ?? {};
      log.kill();
      const file = log.vfs.open(segmentPathOf(segment), "write");
      file.write([Buffer.alloc(60, 0x77)], offset + 48 + 104);
      file.close();
    }
    await log.open();
    log.check(log.durable.keys());
    assert.equal(log.vfs.list("/store/quarantine").length, 8);
  });
});

describe("verify", () => {
  it("names each damaged segment and goes on behind it", async () => {
    const vfs = new Memory();
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
