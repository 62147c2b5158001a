/**
 * Wrote the golden stores of format 1, on a real disk and with real threads. It is kept to say how they were
 * made and to write those of the next format; it never overwrites one: a store that was released must keep
 * opening as it is. `node --import tsx scripts/golden.ts`
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { openStore, type Store } from "../src/index.ts";
import {
  GOLDEN,
  GOLDEN_OPTIONS,
  GOLDEN_STORES,
  type GoldenStore,
  sendCommon,
  sendLarge,
  sendMore,
} from "../test/support/golden.ts";

/** What a begun frame leaves behind the last one. */
const TORN_BYTES = 100;

/** Not of the machine that wrote it. */
const LOCK_TEXT = `${JSON.stringify({ pid: 1, host: "golden", start: "2026-01-01T00:00:00.000Z" })}\n`;

async function write(name: GoldenStore, directory: string): Promise<void> {
  const store = await openStore(directory, GOLDEN_OPTIONS);
  await sendCommon(store);
  if (name === "folded") {
    await store.snapshot();
    await sendMore(store);
    await store.gc();
    await store.snapshot();
    await store
      .session("behind")
      .saveSessionMeta({ sessionId: "behind", sessionName: "b", createdAt: "t", model: "m" });
  }
  if (name === "large") {
    // One folded into a pack, one in the frames of the log.
    await sendLarge(store, "large-1");
    await store.snapshot();
    await sendLarge(store, "large-2");
  }
  if (name === "crashed") return await leaveOpen(store, directory);
  await store.close();
}

/** What `kill -9` leaves, with a frame that was begun. */
async function leaveOpen(store: Store, directory: string): Promise<void> {
  const killed = `${directory}-killed`;
  cpSync(directory, killed, { recursive: true });
  await store.close();
  rmSync(directory, { recursive: true });
  cpSync(killed, directory, { recursive: true });
  rmSync(killed, { recursive: true });
  tear(directory);
}

/** TAIL says where the log ends: slots of 64 bytes at 0 and 4096, see docs/format.md. */
function tear(directory: string): void {
  const tail = readFileSync(join(directory, "wal", "TAIL"));
  const at = tail.readBigUInt64LE(32) > tail.readBigUInt64LE(4096 + 32) ? 0 : 4096;
  const segment = tail
    .readBigUInt64LE(at + 16)
    .toString(16)
    .padStart(16, "0");
  const path = join(directory, "wal", `${segment}.wal`);
  const bytes = readFileSync(path);
  bytes
    .fill(0x5a, Number(tail.readBigUInt64LE(at + 40)))
    .fill(0, Number(tail.readBigUInt64LE(at + 40)) + TORN_BYTES);
  writeFileSync(path, bytes);
}

function keep(directory: string, name: GoldenStore): void {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const target = join(GOLDEN, name, `${relative(directory, path)}.gz`);
    mkdirSync(dirname(target), { recursive: true });
    const content = entry.name === "lock" ? Buffer.from(LOCK_TEXT) : readFileSync(path);
    writeFileSync(target, gzipSync(content, { level: 9 }));
  }
}

for (const name of GOLDEN_STORES) {
  if (existsSync(join(GOLDEN, name))) {
    console.log(`${name} is there and stays as it is`);
    continue;
  }
  const directory = join(mkdtempSync(join(tmpdir(), "varve-golden-")), name);
  await write(name, directory);
  keep(directory, name);
  rmSync(dirname(directory), { recursive: true });
  console.log(`${name} written`);
}
