/**
 * The last segment's front is damaged, and the segment before it is whole. Nothing in front proves what was
 * lost, so whether the segment is a spare or was in use must come from elsewhere: TAIL, its LINK, or the salt
 * its LINK repeats. A spare may be damaged as it likes; a segment in use is refused by name.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { imageOf, putFrame, saltSeed, stampFrame } from "../../src/wal/frame.ts";
import { verifyLog } from "../../src/wal/log.ts";
import { SEGMENT_HEADER_BYTES } from "../../src/wal/segment.ts";
import { walkLog } from "../../src/wal/walk.ts";
import {
  DIRECTORY,
  type LogFixture,
  opened,
  readFile,
  refusal,
  STORE_ID,
  segmentPathOf,
  writeFile,
} from "./fixture.ts";
import { TAIL } from "./small.ts";

/** Bytes of the header: its version, and its salt. */
const VERSION_AT = 8;
const SALT_AT = 40;

/** Killed behind a roll, with nothing written behind the LINK; answers the log and the path of its last segment. */
async function rolled(): Promise<{ log: LogFixture; last: string }> {
  const log = await opened();
  await log.write(100, 60);
  await log.roll();
  const { segment = 0 } = log.durable.get(2) ?? {};
  log.kill();
  return { log, last: segmentPathOf(segment + 1) };
}

function flip(log: LogFixture, path: string, at: number): void {
  const bytes = readFile(log.vfs, path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFile(log.vfs, path, bytes);
}

describe("a last segment whose header is damaged", () => {
  it("is refused when TAIL names it, its whole front gone", async () => {
    const { log, last } = await rolled();
    writeFile(log.vfs, last, readFile(log.vfs, last).fill(0));
    assert.equal((await refusal(log.open())).file, last);
  });

  it("is refused without TAIL when its LINK verifies", async () => {
    const { log, last } = await rolled();
    log.vfs.remove(TAIL);
    flip(log, last, VERSION_AT + 2);
    assert.equal((await refusal(log.open())).file, last);
  });

  it("is refused without TAIL and with its salt gone when its LINK names the salt of the segment before", async () => {
    const { log, last } = await rolled();
    log.vfs.remove(TAIL);
    flip(log, last, SALT_AT);
    assert.equal((await refusal(log.open())).file, last);
  });

  it("is nobody's loss when it is a spare", async () => {
    const { log, last } = await rolled();
    const spare = segmentPathOf(Number.parseInt(last.slice(-20, -4), 16) + 1);
    flip(log, spare, VERSION_AT + 2);
    await log.open();
    log.check([1, 2]);
  });
});

/** What a disk may do to the front of a segment, and where a refusal then says that it is. */
const LOSSES: readonly [string, (log: LogFixture, path: string) => void, number | undefined][] = [
  ["is gone", (log, path) => void log.vfs.remove(path), undefined],
  ["has another header", (log, path) => flip(log, path, VERSION_AT + 2), 0],
  ["has another LINK", (log, path) => flip(log, path, SEGMENT_HEADER_BYTES), SEGMENT_HEADER_BYTES],
];

describe("a last segment of which TAIL proves a record", () => {
  for (const [what, lose, at] of LOSSES) {
    it(`is refused by its name when it ${what}, whatever is in front of it`, async () => {
      for (const before of [[], [100, 60]]) {
        const log = await opened();
        if (before.length > 0) {
          await log.write(...before);
          await log.roll();
        }
        await log.write(40);
        const { segment = 0 } = log.durable.get(before.length + 1) ?? {};
        log.kill();
        lose(log, segmentPathOf(segment));
        const { file, offset } = await refusal(log.open());
        assert.deepEqual([file, offset], [segmentPathOf(segment), at], `${before.length} records before`);
      }
    });
  }
});

describe("a last segment that TAIL names and that has no record yet", () => {
  for (const [what, lose] of LOSSES.filter(([, , at]) => at !== 0)) {
    it(`is nobody's loss when it ${what}`, async () => {
      const { log, last } = await rolled();
      lose(log, last);
      await log.open();
      log.check([1, 2]);
    });
  }
});

describe("a frame of a type from a later version", () => {
  it("at the end of the log is refused as such, naming file and offset", async () => {
    const log = await opened();
    await log.write(100);
    const { segment = 0 } = log.durable.get(1) ?? {};
    log.kill();
    const place = { vfs: log.vfs, directory: DIRECTORY, storeId: STORE_ID };
    const walked = [...walkLog(place)].find(({ number }) => number === segment) ?? assert.fail();
    const { crc, lsn } = walked.frames.at(-1) ?? assert.fail();
    const bytes = readFile(log.vfs, walked.path);
    const image = imageOf(bytes);
    const putLater = (type: number): void => {
      putFrame(image, walked.end, type, lsn, Buffer.from("later"));
      stampFrame(image, walked.end, {
        durable: lsn,
        previousCrc: crc,
        framesLeft: 0,
        saltCrc: saltSeed(walked.salt),
      });
      writeFile(log.vfs, walked.path, bytes);
    };
    putLater(5);
    await assert.rejects(log.open(), (error) => {
      assert.ok(isStoreError(error, "FORMAT_UNSUPPORTED"), String(error));
      assert.match(
        error.message,
        new RegExp(`${walked.path} holds a frame of type 5 at offset ${walked.end}`),
      );
      return true;
    });
    const start = log.start ?? assert.fail();
    assert.deepEqual(
      verifyLog(log.vfs, DIRECTORY, STORE_ID, start).map(({ file, code }) => ({ file, code })),
      [{ file: DIRECTORY, code: "FORMAT_UNSUPPORTED" }],
    );
    // Where the bit of skippable types is set, an older version passes over it.
    putLater(0x85);
    await log.open();
    log.check([1]);
  });
});
