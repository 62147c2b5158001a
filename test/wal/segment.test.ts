/** Names, headers, LINK payloads and TAIL slots as bytes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "../../src/checksum.ts";
import {
  decodeHeader,
  decodeLink,
  encodeHeader,
  encodeLink,
  fits,
  segmentBytesFor,
  segmentName,
  segmentNumber,
} from "../../src/wal/segment.ts";
import { decodeTail, encodeTail, newestTail } from "../../src/wal/tail.ts";

const STORE = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
const HEADER = {
  storeId: STORE,
  number: 26,
  salt: 0xfedcba9876543210n,
  fileBytes: 65536,
  createdAt: 1_700_000_000_000,
};

describe("a segment's name", () => {
  it("is its number in sixteen hexadecimal digits", () => {
    assert.equal(segmentName(26), "000000000000001a.wal");
    assert.equal(segmentNumber("000000000000001a.wal"), 26);
  });
  it("is nothing else", () => {
    for (const name of ["1a.wal", "000000000000001A.wal", "TAIL", "spare-3.tmp", "ffffffffffffffff.wal"]) {
      assert.equal(segmentNumber(name), undefined, name);
    }
  });
});

describe("a segment's header", () => {
  it("reads back", () => {
    assert.deepEqual(decodeHeader(encodeHeader(HEADER)), { kind: "header", header: HEADER });
  });
  it("is refused with any bit flipped", () => {
    const bytes = encodeHeader(HEADER);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      flip(bytes, bit);
      assert.equal(decodeHeader(bytes).kind, "bad", `bit ${bit}`);
      flip(bytes, bit);
    }
  });
  it("is refused when its number or its size is beyond all bounds, its checksum right", () => {
    for (const beyond of [{ number: 2 ** 53 }, { fileBytes: 1100 * 2 ** 20 + 1 }]) {
      const decoded = decodeHeader(encodeHeader({ ...HEADER, ...beyond }));
      assert.deepEqual(decoded, { kind: "bad", reason: "its header is out of bounds" });
    }
    const largest = { ...HEADER, number: 2 ** 53 - 1, fileBytes: 1100 * 2 ** 20 };
    assert.deepEqual(decodeHeader(encodeHeader(largest)), { kind: "header", header: largest });
  });
  it("is of a newer version with another algorithm or any flag, and is told apart from damage", () => {
    for (const [at, byte] of [
      [12, 2],
      [13, 1],
    ] as const) {
      const bytes = Buffer.from(encodeHeader(HEADER));
      bytes.writeUInt8(byte, at);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, 4092)), 4092);
      assert.deepEqual(decodeHeader(bytes), { kind: "newer", version: 1 });
    }
  });
  it("is refused when cut short", () => {
    assert.equal(decodeHeader(encodeHeader(HEADER).subarray(0, 4095)).kind, "bad");
  });
});

describe("a LINK", () => {
  it("reads back, and only at its exact size", () => {
    const link = { previousSegment: 3, previousSalt: 5n, lsn: 77, crc: 0xffffffff, end: 4184 };
    assert.deepEqual(decodeLink(encodeLink(link)), link);
    assert.equal(decodeLink(encodeLink(link).subarray(0, 39)), undefined);
  });
});

describe("a TAIL slot", () => {
  const tail = { segment: 4, salt: 9n, lsn: 1234, end: 9000 };
  it("reads back for its store only", () => {
    assert.deepEqual(decodeTail(STORE, encodeTail(STORE, tail)), tail);
    assert.equal(decodeTail(new Uint8Array(16), encodeTail(STORE, tail)), undefined);
  });
  it("says nothing with any bit flipped", () => {
    const bytes = encodeTail(STORE, tail);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      flip(bytes, bit);
      assert.equal(decodeTail(STORE, bytes), undefined, `bit ${bit}`);
      flip(bytes, bit);
    }
  });
  it("counts by the higher LSN", () => {
    assert.equal(newestTail([undefined, undefined]), undefined);
    assert.equal(newestTail([tail, undefined]), tail);
    assert.equal(newestTail([tail, { ...tail, lsn: 1235 }])?.lsn, 1235);
  });
});

describe("a segment's room", () => {
  it("always leaves space for a SEAL", () => {
    assert.equal(fits(4096, 1000, 4096 + 1000 + 48 + 64), true);
    assert.equal(fits(4096, 1000, 4096 + 1000 + 48 + 63), false);
  });
  it("is the usual size until a frame needs one of its own", () => {
    assert.equal(segmentBytesFor(65536 - 4096 - 88 - 112, 65536), 65536);
    assert.equal(segmentBytesFor(65536 - 4096 - 88 - 112 + 8, 65536), 69632);
  });
});

function flip(bytes: Uint8Array, bit: number): void {
  const at = bit >> 3;
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
}
