/**
 * Small files of each kind, damaged in every way one bit or one length can: a reader answers what was written
 * or refuses with CORRUPT naming that file. It never answers other data, and never "absent".
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeManifest, type Manifest, manifestPath, readManifest } from "../../src/snapshot/manifest.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { sayHeads, sayPack, storedHead, withHeads, withPack, writeHeads, writePack } from "./files.ts";
import { bytesOf, corruptionOf, damages, makeDirectories, put, ROOT, STORE_ID, value } from "./fixture.ts";

const HEADS = `${ROOT}/heads/000007.heads`;
const PACK = `${ROOT}/blobs/000012.pack`;

interface Outcome {
  same: number;
  refused: number;
}

/** Reads the file under every damage; `say` must answer as it does for the whole file, or refuse. */
function checkDamages(vfs: MemoryVfs, path: string, say: () => object): Outcome {
  const whole = say();
  const bytes = bytesOf(vfs, path);
  const outcome: Outcome = { same: 0, refused: 0 };
  for (const damage of damages(bytes)) {
    put(vfs, path, damage.bytes);
    let said: object | undefined;
    const corruption = corruptionOf(() => {
      said = say();
    });
    if (corruption === undefined) {
      assert.deepEqual(said, whole, `${damage.title}: other data`);
      outcome.same++;
    } else {
      assert.equal(corruption.file, path, `${damage.title}: names the damaged file`);
      outcome.refused++;
    }
  }
  put(vfs, path, bytes);
  assert.deepEqual(say(), whole, "the undamaged file reads as before");
  return outcome;
}

function memory(): MemoryVfs {
  const vfs = new MemoryVfs({ crashable: false });
  makeDirectories(vfs);
  return vfs;
}

test("no damage of a heads file gives other heads, a shorter list or an absent session", () => {
  const vfs = memory();
  const ids = ["a", "b", "gone", "never-used"];
  const heads = [
    storedHead("a", 7),
    storedHead("b", 3, { ledger: [] }),
    storedHead("gone", 0, { deleted: true, meta: undefined }),
  ];
  const size = writeHeads(vfs, HEADS, 7, heads);
  const say = () => withHeads(vfs, { path: HEADS, number: 7, size }, (file) => sayHeads(file, ids));
  const { same } = checkDamages(vfs, HEADS, say);
  assert.equal(same, 0, "every byte of the file is under a checksum");
});

test("no damage of a pack gives another value or an absent one", () => {
  const vfs = memory();
  const contents = ["manifest", { tools: {} }, Uint8Array.of(1, 2, 3), "page"];
  const kinds = ["manifest", "toolState", "executionState", "page"] as const;
  const size = writePack(
    vfs,
    PACK,
    12,
    contents.map((content, index) => ({ kind: kinds[index] ?? "page", content })),
  );
  const digests = [...contents, "never stored"].map((content) => value(content).digest);
  const say = () => withPack(vfs, { path: PACK, number: 12, size }, (pack) => sayPack(pack, digests));
  const { same } = checkDamages(vfs, PACK, say);
  assert.equal(same, 0, "every byte of the file is under a checksum");
});

test("no damage of a pack with a compressed value gives another value", () => {
  const vfs = memory();
  const content = "compressible ".repeat(400);
  const size = writePack(vfs, PACK, 12, [{ kind: "toolState", content }], "balanced");
  assert.ok(size < 1000, "the value is stored compressed");
  const say = () =>
    withPack(vfs, { path: PACK, number: 12, size }, (pack) => sayPack(pack, [value(content).digest]));
  checkDamages(vfs, PACK, say);
});

test("no damage of a manifest file gives another manifest", () => {
  const vfs = memory();
  const manifest: Manifest = {
    number: 42,
    storeId: STORE_ID,
    log: { segment: 9, salt: 0xfeed_beef_0123_4567n, lsn: 1234, crc: 0x89ab_cdef },
    heads: [{ number: 7, bytes: 4096, count: 3 }],
    packs: [{ number: 12, bytes: 100_000, count: 17 }],
    deadBytes: 55,
    nextFile: 13,
  };
  const path = manifestPath(ROOT, 42);
  put(vfs, path, encodeManifest(manifest));
  const { same } = checkDamages(vfs, path, () => readManifest(vfs, ROOT, 42, STORE_ID));
  assert.equal(same, 0, "every byte of the file is under a checksum");
});
