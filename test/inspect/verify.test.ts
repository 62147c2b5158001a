/** What `verifyStore` calls clean, repairable and damaged, and how it names what is wrong. Verdicts by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../src/index.ts";
import { logEntries } from "../../src/inspect/log-entries.ts";
import { lookAtStore } from "../../src/inspect/store-info.ts";
import { type StoreVerdict, verifyStore } from "../../src/inspect/verify.ts";
import { decodeHead, encodeHead, type StoredHead } from "../../src/snapshot/head.ts";
import { HeadsFileReader } from "../../src/snapshot/heads-file.ts";
import { HeadsFileWriter } from "../../src/snapshot/heads-file-writer.ts";
import { readManifest } from "../../src/snapshot/manifest.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { commit, meta } from "../support/builders.ts";
import { refuses } from "../support/expect.ts";
import {
  cutTo,
  damaged,
  everyDamage,
  flipBit,
  OPTIONS,
  overwrite,
  positionsIn,
  ROOT,
  readAll,
  removed,
  sample,
  wholeOf,
} from "./damaged.ts";

/** Places of each file that are damaged in each way. */
const PLACES = Number(process.env.VARVE_VERIFY_PLACES ?? 4);

type Verdict = StoreVerdict["verdict"];

async function verdictOf(damage: { vfs: MemoryVfs }, deep: boolean): Promise<StoreVerdict> {
  return verifyStore(damage.vfs, ROOT, { deep });
}

async function assertVerdict(
  damage: { told?: string; vfs: MemoryVfs },
  light: Verdict,
  deep = light,
): Promise<StoreVerdict> {
  const [first, second] = [await verdictOf(damage, false), await verdictOf(damage, true)];
  const told = `${damage.told ?? ""}: ${JSON.stringify([...first.findings, ...second.findings])}`;
  assert.deepEqual([first.verdict, second.verdict], [light, deep], told);
  return second;
}

/** The last file of the sample whose path matches, and the one before it. */
async function lastTwo(pattern: RegExp): Promise<readonly [string, string]> {
  const found = (await sample()).files.filter((path) => pattern.test(path));
  const [last, before] = [found.at(-1), found.at(-2)];
  assert.ok(last !== undefined && before !== undefined, String(pattern));
  return [last, before];
}

test("a closed store is clean", async () => {
  const { vfs } = await sample();
  await assertVerdict({ vfs }, "clean");
});

test("a live store is clean at every moment, and its owner is named", async () => {
  const vfs = new MemoryVfs({ crashable: false });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  for (let revision = 1; revision <= 3; revision++) {
    await store.session("s").commitRuntimeState(commit({ sessionId: "s" }));
    const verdict = await assertVerdict({ vfs }, "clean");
    assert.deepEqual([verdict.owner.state, verdict.owner.pid], ["open", process.pid]);
    await store.snapshot();
  }
  await store.close();
  assert.equal((await assertVerdict({ vfs }, "clean")).owner.state, "closed");
});

test("what a crash leaves is clean or repairable, and the next owner mends it", async () => {
  const vfs = new MemoryVfs({ crashable: true });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  await store.session("s").saveSessionMeta(meta("s"));
  const acknowledged = store.session("s").commitRuntimeState(commit({ sessionId: "s" }));
  const crashes = [vfs.crashKeepingNothing(), vfs.crashKeepingEverything()];
  await acknowledged;
  crashes.push(vfs.crashKeepingNothing(), vfs.crashKeepingEverything());
  await store.close();
  for (const left of crashes) {
    assert.notEqual((await verdictOf({ vfs: left }, true)).verdict, "damaged");
    await (await openStore(ROOT, { ...OPTIONS, vfs: left })).close();
    await assertVerdict({ vfs: left }, "clean");
  }
});

test("a write that was never acknowledged is repairable, named by its place", async () => {
  const vfs = new MemoryVfs({ crashable: true });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  await store.session("s").saveSessionMeta(meta("s"));
  const left = vfs.crashKeepingEverything();
  await store.close();
  // 48 bytes of header, the record and its padding make the frame of the one meta; a begun one stands behind it.
  // Every opening begins a segment, so the second one is active; behind its LINK stand 88 bytes further.
  const active = left.list(`${ROOT}/wal`).filter((name) => name.endsWith(".wal"))[1];
  const path = `${ROOT}/wal/${active}`;
  const bytes = wholeOf(left, path);
  const end = 4184 + 48 + Math.ceil(Buffer.from(bytes).readUInt32LE(4184 + 4) / 8) * 8;
  overwrite(left, path, bytes.subarray(4184, 4184 + 60), end);
  const { findings } = await assertVerdict({ vfs: left }, "repairable");
  assert.deepEqual(
    findings.map(({ code, file, offset }) => [code, file, offset]),
    [["TORN", path, end]],
  );
});

test("a TAIL that is lost, cut or garbled is repairable", async () => {
  const path = `${ROOT}/wal/TAIL`;
  for (const damage of [await removed(path), await cutTo(path, 100), await flipBit(path, 33, 2)]) {
    const { findings } = await assertVerdict(damage, "repairable");
    assert.deepEqual(
      findings.map(({ code, file }) => [code, file]),
      [["TAIL", path]],
      damage.told,
    );
  }
});

test("files of jobs that did not finish are repairable", async () => {
  for (const name of [
    "manifest-000009.tmp",
    "heads/000077.heads.tmp",
    "blobs/000078.pack.tmp",
    "wal/spare-9.tmp",
  ]) {
    const damage = await damaged(name, `${ROOT}/${name}`, (vfs) => {
      const file = vfs.open(`${ROOT}/${name}`, "create");
      file.write([new Uint8Array(10)], 0);
      file.close();
    });
    const { findings } = await assertVerdict(damage, "repairable");
    assert.deepEqual(
      findings.map(({ code, file }) => [code, file]),
      [["LEFTOVER", `${ROOT}/${name}`]],
    );
  }
});

test("a damaged newest manifest beside a whole older generation is repairable", async () => {
  const [newest] = await lastTwo(/\/manifest-/);
  const flipped = await assertVerdict(await flipBit(newest, 30, 4), "repairable");
  assert.deepEqual(
    flipped.findings.filter(({ file }) => file === newest).map(({ code, flippedBit }) => [code, flippedBit]),
    [["CORRUPT", { offset: 30, bit: 4 }]],
  );
  await assertVerdict(await removed(newest), "repairable");
});

test("a file of the newest generation alone is repairable, one of both is damaged", async () => {
  const [newest] = await lastTwo(/\.heads$/);
  const [newestPack, sharedPack] = await lastTwo(/\.pack$/);
  for (const path of [newest, newestPack]) {
    const verdict = await assertVerdict(await removed(path), "repairable");
    // The sample's newest manifest is 6.
    assert.equal(verdict.manifest, 5);
  }
  const { findings } = await assertVerdict(await removed(sharedPack), "damaged");
  assert.ok(findings.some(({ file, severity }) => file === sharedPack && severity === "damaged"));
});

test("a store without any manifest it can read is damaged", async () => {
  const [newest, older] = await lastTwo(/\/manifest-/);
  await assertVerdict(await removed(newest, older), "damaged");
  const both = await damaged("both manifests", newest, (vfs) => {
    for (const path of [newest, older]) overwrite(vfs, path, new Uint8Array(64), 0);
  });
  await assertVerdict(both, "damaged");
});

test("a damaged format is damaged, and what is newer is refused as that", async () => {
  const path = `${ROOT}/format`;
  const { findings } = await assertVerdict(await flipBit(path, 20, 7), "damaged");
  assert.deepEqual(
    findings.map(({ file, flippedBit }) => [file, flippedBit]),
    [[path, { offset: 20, bit: 7 }]],
  );
  await assertVerdict(await removed(path), "damaged");
});

test("one flipped bit of an acknowledged record is damaged, and the bit is named", async () => {
  const path = (await sample()).files.filter((file) => file.endsWith(".wal"))[1];
  assert.ok(path);
  // 4184 is where the first frame behind a LINK stands; 100 bytes on lies its payload.
  const { findings } = await assertVerdict(await flipBit(path, 4184 + 100, 3), "damaged");
  const found = findings.find(({ severity }) => severity === "damaged");
  assert.deepEqual(
    [found?.file, found?.offset, found?.flippedBit],
    [path, 4184, { offset: 4184 + 100, bit: 3 }],
  );
});

test("a value that fails its checksum is found by a deep check only, with its session", async () => {
  const [newest] = await lastTwo(/\.pack$/);
  // The first value of a pack stands behind its header of 64 bytes and the 8 of its block.
  const damage = await flipBit(newest, 64 + 8 + 5, 0);
  const { findings } = await assertVerdict(damage, "clean", "damaged");
  assert.ok(
    findings.some(
      ({ file, offset, flippedBit }) => file === newest && offset === 64 && flippedBit?.offset === 64 + 8 + 5,
    ),
  );
  const sessions = new Set<string | undefined>();
  for (const at of positionsIn(wholeOf((await sample()).vfs, newest), 12)) {
    const { findings: found } = await verdictOf(await flipBit(newest, at, 0), true);
    for (const { sessionId } of found) sessions.add(sessionId);
  }
  // Values of one session alone, and damage that is nobody's.
  assert.ok(sessions.has("plain") && sessions.has(undefined), [...sessions].join());
});

/** The newest heads file of the sample with the head of "plain" changed, which must stay as long as it was. */
async function withPlainHead(
  change: (head: StoredHead) => StoredHead,
): Promise<{ copy: MemoryVfs; path: string }> {
  const { vfs } = await sample();
  const copy = vfs.crashKeepingEverything();
  const number = Number(/(\d+)$/.exec((await lastTwo(/\/manifest-/))[0])?.[1]);
  const storeId = wholeOf(copy, `${ROOT}/format`).subarray(16, 32);
  const manifest = readManifest(copy, ROOT, number, storeId);
  const entry = manifest.heads.at(-1);
  assert.ok(entry);
  const path = `${ROOT}/heads/${String(entry.number).padStart(6, "0")}.heads`;
  const reader = new HeadsFileReader(copy, path, { storeId, number: entry.number }, entry.bytes);
  const heads = [...reader.scan()];
  reader.close();
  const writer = new HeadsFileWriter(copy, `${path}.new`, { storeId, number: entry.number });
  for (const head of heads) {
    const stored = decodeHead(head.sessionId, head.bytes);
    writer.add({ ...head, bytes: head.sessionId === "plain" ? encodeHead(change(stored)) : head.bytes });
  }
  assert.equal(writer.finish(), entry.bytes);
  copy.rename(`${path}.new`, path);
  return { copy, path };
}

test("a head that is not what the older generation and the log make is found by a deep check", async () => {
  const { copy, path } = await withPlainHead((stored) => ({
    ...stored,
    // A count of one digit stays as long as it was.
    picker: { ...stored.picker, userMessageCount: stored.picker.userMessageCount + 1 },
  }));
  const { findings } = await assertVerdict({ vfs: copy }, "clean", "damaged");
  assert.deepEqual(
    findings.map(({ sessionId, file }) => [sessionId, file]),
    [["plain", path]],
  );
});

test("an outline that says other than the pages is found by a deep check", async () => {
  const { copy } = await withPlainHead((stored) => {
    const outline = Buffer.from(stored.outline ?? assert.fail("it is small"));
    // The flags of its first node, behind its id and that it has no parent.
    const at = 1 + ((outline[0] as number) & 31) + 1;
    outline[at] = (outline[at] as number) ^ 1;
    return { ...stored, outline };
  });
  const { findings } = await assertVerdict({ vfs: copy }, "clean", "damaged");
  assert.ok(
    findings.some(
      ({ sessionId, message }) => sessionId === "plain" && message.includes("another in the outline"),
    ),
  );
});

test("what a host cannot read is damaged, and what it can is never called so without a reason that holds", async () => {
  for await (const damage of everyDamage(PLACES)) {
    const light = await verdictOf(damage, false);
    const deep = await verdictOf(damage, true);
    const seen = [...(await readAll(damage.vfs, ROOT)).values()];
    const canRead = seen.every((state) => typeof state === "string");
    if (!canRead) assert.equal(deep.verdict, "damaged", damage.told);
    if (light.verdict === "damaged") assert.equal(deep.verdict, "damaged", damage.told);
    for (const { message, file } of deep.findings)
      assert.ok(message !== "" && file.startsWith(ROOT), damage.told);
    if (deep.verdict === "damaged") continue;
    const store = await openStore(ROOT, { ...OPTIONS, vfs: damage.vfs });
    assert.ok((await store.verify()).ok, damage.told);
    await store.snapshot();
    await store.snapshot();
    await store.close();
    assert.equal((await verdictOf(damage, true)).verdict, "clean", `${damage.told}: after its next owner`);
  }
});

test("a look at a damaged store and a walk of its log say what is wrong instead of failing", async () => {
  for await (const damage of everyDamage(2)) {
    const { troubles, files } = lookAtStore(damage.vfs, ROOT);
    assert.ok(files.segment.count > 0, damage.told);
    if (/\/(format|manifest-\d+)$/.test(damage.path))
      assert.ok(troubles.length > 0 || !damage.vfs.stat(damage.path), damage.told);
    const entries = [...logEntries(damage.vfs, ROOT)];
    assert.ok(
      entries.some(({ kind }) => kind === "frame"),
      damage.told,
    );
  }
});

test("a directory that holds no store is NOT_A_STORE", async () => {
  const vfs = new MemoryVfs({ crashable: false });
  vfs.makeDirectory("/empty");
  for (const path of ["/empty", "/absent"])
    await refuses(new Promise(() => verifyStore(vfs, path, { deep: false })), "NOT_A_STORE");
});
