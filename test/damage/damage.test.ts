/**
 * A small store with one of everything, damaged in every way a file can be: as its owner and read-only it
 * says exactly what it said before, or refuses by name; sessions that the damage does not meet go on, and what
 * nothing depends on is never refused. Here a part of the bits and lengths, all blocks, names and old contents;
 * `npm run test:damage` flips every bit of a larger one.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { ImageVfs } from "../support/image-vfs.ts";
import {
  bitFlips,
  blockDamages,
  blockSwaps,
  type Damage,
  duplicate,
  lengthDamages,
  removal,
  rollback,
  swap,
} from "./damages.ts";
import { EveryBit } from "./every-bit.ts";
import { check, type Expected, type Outcome, undamaged } from "./oracle.ts";
import { buildImage, ROOT, type StoreImage } from "./store-image.ts";
import { HARMLESS, StoreMap } from "./store-map.ts";

Error.stackTraceLimit = 0;

/** Bits between two that are flipped: no divisor of a structure's size, so that every field is met. */
const BIT_STEP = Number(process.env.VARVE_BIT_STEP ?? 4001);

class Fixture {
  readonly image: StoreImage;
  readonly images: ImageVfs;
  readonly map: StoreMap;
  readonly expected: Expected;
  readonly closed: boolean;

  constructor(image: StoreImage, images: ImageVfs, expected: Expected, closed: boolean) {
    this.closed = closed;
    this.image = image;
    this.images = images;
    this.expected = expected;
    this.map = new StoreMap(images);
  }

  static async make(closed: boolean): Promise<Fixture> {
    const image = await buildImage({ executionBytes: 600, closed });
    const images = ImageVfs.of(image.vfs, ROOT);
    return new Fixture(image, images, await undamaged(images), closed);
  }

  /** Checks each damage; how often each outcome was seen. */
  async checkAll(damages: Iterable<Damage>): Promise<Record<Outcome, number>> {
    const seen: Record<Outcome, number> = { harmless: 0, "sessions refused": 0, "store refused": 0 };
    for (const { make, ...damage } of damages) {
      const fork = this.images.fork();
      make(fork);
      seen[await check(this.expected, { ...damage, images: fork })]++;
    }
    return seen;
  }

  /** What is damaged: all files of a killed store; of a closed one its log, the rest being the same. */
  get paths(): string[] {
    const { paths } = this.images;
    return this.closed ? paths.filter((path) => path.includes("/wal/")) : paths;
  }

  ofKind(pattern: RegExp): string[] {
    return this.paths.filter((path) => pattern.test(path));
  }
}

/** Lengths at which something ends or begins, and some in between. */
function lengthsOf(bytes: Uint8Array): number[] {
  const edges = [0, 1, 36, 47, 48, 63, 64, 65, 4095, 4096, 4097, 4184, 8191];
  const ends = [-4097, -65, -64, -8, -1, 1, 64, 4096].map((by) => bytes.length + by);
  const spread = Array.from({ length: 3 }, (_, index) => Math.floor((bytes.length * index) / 3) + 3);
  return [...new Set([...edges, ...ends, ...spread])].filter((length) => length >= 0);
}

const KINDS = [/\/manifest-/, /\.wal$/, /\.heads$/, /\.pack$/];

for (const closed of [false, true]) {
  describe(closed ? "a closed store" : "a killed store", () => {
    let given: Fixture;
    before(async () => {
      given = await Fixture.make(closed);
    });

    it("has one of everything", () => {
      const { images, image, map } = given;
      const kinds = new Set(images.paths.map((path) => map.kindOf(path)));
      assert.deepEqual([...kinds].sort(), [
        "TAIL",
        "format",
        "heads file of both generations",
        "heads file of the newest generation",
        "heads file of the older generation",
        "lock",
        "newest manifest",
        "older manifest",
        "pack of both generations",
        "pack of the newest generation",
        "quarantine",
        "segment in use",
        "segment not in use",
      ]);
      assert.equal(map.liveSegments.size, 2, "a sealed segment and the active one");
      const spares = given.ofKind(/\.wal$/).slice(-2);
      assert.ok(
        spares.some((path) =>
          images
            .bytes(path)
            .subarray(8192)
            .some((byte) => byte !== 0),
        ),
        "a spare holds frames of an earlier life",
      );
      assert.ok(image.older.size > 3);
    });

    it("says the same or refuses by name, for flipped bits of every file", async () => {
      const { images, map } = given;
      const seen = await given.checkAll(
        given.paths.flatMap((path) => [...bitFlips(map, images, path, stepOf(images.bytes(path)))]),
      );
      assert.ok(seen.harmless > 5 && seen["store refused"] > 5, JSON.stringify(seen));
      assert.ok(closed || seen["sessions refused"] > 5, JSON.stringify(seen));
    });

    it("is told the same of a bit by the short cuts of the long run", async () => {
      const { images, map } = given;
      const bits = await EveryBit.make(images.fork());
      for (const path of given.paths) {
        const { length } = images.bytes(path);
        for (const from of [0, Math.floor(length / 3)]) {
          const { wrong } = await bits.flip(path, from, from + 1);
          assert.deepEqual(wrong, [], map.kindOf(path));
        }
      }
    });

    it("says the same or refuses by name, for every block zeroed or garbled", async () => {
      const { images, map } = given;
      for (const path of given.paths) {
        await given.checkAll(thin(blockDamages(map, images, path, 512), images.bytes(path)));
        await given.checkAll(blockDamages(map, images, path, 4096));
      }
    });

    it("says the same or refuses by name, for blocks that changed places", async () => {
      const { images, map } = given;
      for (const kind of KINDS) {
        const paths = given.ofKind(kind);
        for (const [index, path] of paths.entries()) {
          const other = paths[(index + 1) % paths.length] ?? path;
          await given.checkAll(thin(blockSwaps(map, images, { path, other }, 512), images.bytes(path)));
          await given.checkAll(blockSwaps(map, images, { path, other }, 4096));
        }
      }
    });

    it("says the same or refuses by name, for files of any other length, and for missing ones", async () => {
      const { images, map } = given;
      for (const path of given.paths) {
        await given.checkAll(lengthDamages(map, images, path, lengthsOf(images.bytes(path))));
        await given.checkAll([removal(map, path)]);
      }
    });

    it("says the same or refuses by name, for earlier contents of every file", async () => {
      const { image, images, map } = given;
      for (const [path, versions] of image.older) {
        await given.checkAll(versions.map((older) => rollback(map, images, path, older)));
      }
    });

    it("says the same or refuses by name, for two files of a kind that changed places", async () => {
      const { images, map } = given;
      for (const kind of KINDS) {
        const paths = given.ofKind(kind);
        const pairs = paths.flatMap((a, at) => paths.slice(at + 1).map((b) => [a, b] as const));
        await given.checkAll(pairs.map(([a, b]) => swap(map, images, a, b)));
      }
    });

    it("is whole with copies of its files under other names", async () => {
      const { images } = given;
      for (const path of given.paths.filter((one) => !one.endsWith(".wal"))) {
        const copies = [`${path}.old`, `${path}.tmp`, path.replace(/\d{6}/, "000777")];
        await given.checkAll(
          copies.filter((copy) => copy !== path).map((copy) => duplicate(images, path, copy)),
        );
      }
    });

    it("is whole, or names the copy, with copies of segments under other numbers", async () => {
      const { images, map } = given;
      const paths = given.ofKind(/\.wal$/);
      for (const path of paths) {
        // What stands behind the log and once belonged to one may hide a loss, as far as anybody can tell.
        const stray = { ...HARMLESS, store: "may" } as const;
        const copies = [`${ROOT}/wal/000000000000000f.wal`, `${ROOT}/wal/0000000000000001.wal`];
        await given.checkAll([duplicate(images, path, copies[0] ?? "", stray)]);
        await given.checkAll([duplicate(images, path, copies[1] ?? "")]);
      }
      assert.ok(map.liveSegments.size > 0);
    });
  });
}

/** Small files bit by bit where that is cheap; of the zeros of large ones a few. */
function stepOf(bytes: Uint8Array): number {
  if (bytes.length < 200) return 37;
  return bytes.length > 60_000 ? 8 * BIT_STEP : BIT_STEP;
}

/** Of the blocks of a segment's empty part some are enough. */
function* thin(damages: Iterable<Damage>, bytes: Uint8Array): Generator<Damage> {
  let count = 0;
  for (const damage of damages) if (bytes.length < 60_000 || count++ < 16 || count % 24 === 0) yield damage;
}
