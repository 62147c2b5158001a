/**
 * The long run of the damage tests: flips every bit of a store, one at a time, on several processes, and says
 * for each kind of file what came of it. It can be stopped and goes on where it was: the store and what is
 * done lie in a folder of the run. It decides nothing itself; `test/damage/every-bit.ts` says what each bit
 * needs, and `test/damage/store-map.ts` what it may do.
 *
 * `npm run test:damage -- [--kib 256] [--processes 2] [--folder tmp/damage] [--seconds 600] [--killed]`
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { addTallies, EveryBit, emptyTally, type Tally } from "../test/damage/every-bit.ts";
import { buildImage, contentOf, ROOT } from "../test/damage/store-image.ts";
import { ImageVfs } from "../test/support/image-vfs.ts";

/** Bytes of a file that a process is given at a time. */
const CHUNK_BYTES = 256;
const SAY_EVERY_MS = 10_000;
/** Execution states that make up the live bytes: of sessions, of the tail, of what gc and folds left. */
const STATES = 25;

interface Chunk {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** What a process is told, and what it answers. */
type Task = Chunk & { readonly index: number };
interface Done {
  readonly index: number;
  readonly kind: string;
  readonly tally: Tally;
}

interface Progress {
  readonly kib: number;
  /** Indexes of the chunks that are done. */
  readonly done: number[];
  /** By kind of file. */
  readonly tallies: Record<string, Tally>;
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return (at === -1 ? undefined : process.argv[at + 1]) ?? fallback;
}

// --- the store of a run, on disk ---------------------------------------------------------------------

async function makeImage(folder: string, kib: number): Promise<void> {
  const executionBytes = Math.max(600, Math.ceil((kib * 1024) / STATES));
  const { vfs, files } = await buildImage({ executionBytes, closed: !process.argv.includes("--killed") });
  for (const path of files) {
    const target = join(folder, "image", relative("/", path));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, contentOf(vfs, path));
  }
}

function loadImage(folder: string): ImageVfs {
  const images = new ImageVfs();
  const base = join(folder, "image");
  for (const entry of readdirSync(base, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const inside = `/${relative(base, path).replaceAll("\\", "/")}`;
    if (entry.isDirectory()) images.makeDirectory(inside);
    else images.put(inside, Uint8Array.from(readFileSync(path)));
  }
  images.makeDirectory(ROOT);
  return images;
}

function chunksOf(images: ImageVfs): Chunk[] {
  const chunks: Chunk[] = [];
  for (const path of images.paths) {
    const { length } = images.bytes(path);
    for (let from = 0; from < length; from += CHUNK_BYTES)
      chunks.push({ path, from, to: Math.min(length, from + CHUNK_BYTES) });
  }
  return chunks;
}

// --- one of the processes ----------------------------------------------------------------------------

async function work(folder: string): Promise<void> {
  Error.stackTraceLimit = 0;
  const images = loadImage(folder);
  const bits = await EveryBit.make(images);
  process.on("message", async ({ index, path, from, to }: Task) => {
    const tally = await bits.flip(path, from, to);
    process.send?.({ index, kind: bits.map.kindOf(path), tally } satisfies Done);
  });
  process.send?.("ready");
}

// --- the run -----------------------------------------------------------------------------------------

async function run(folder: string): Promise<number> {
  const kib = Number(option("kib", "256"));
  const path = join(folder, "progress.json");
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    await makeImage(folder, kib);
    writeFileSync(path, JSON.stringify({ kib, done: [], tallies: {} } satisfies Progress));
  }
  const progress = JSON.parse(readFileSync(path, "utf8")) as Progress;
  const images = loadImage(folder);
  const chunks = chunksOf(images);
  const done = new Set(progress.done);
  const left = chunks.map((chunk, index) => ({ ...chunk, index })).filter(({ index }) => !done.has(index));
  console.log(
    `a store of ${liveKib(images)} KiB live, ${chunks.length - left.length} of ${chunks.length} parts done`,
  );
  const deadline = Date.now() + 1000 * Number(option("seconds", "1e9"));
  let said = Date.now();
  const take = (answer: Done): void => {
    progress.done.push(answer.index);
    progress.tallies[answer.kind] = addTallies(progress.tallies[answer.kind] ?? emptyTally(), answer.tally);
    for (const wrong of answer.tally.wrong) console.log(`WRONG ${wrong}`);
    if (Date.now() - said < SAY_EVERY_MS) return;
    said = Date.now();
    writeFileSync(path, JSON.stringify(progress));
    console.log(`${progress.done.length} of ${chunks.length} parts`);
  };
  const next = (): Task | undefined => (Date.now() < deadline ? left.shift() : undefined);
  const processes = Number(option("processes", "2"));
  await Promise.all(Array.from({ length: processes }, () => drive(folder, next, take)));
  writeFileSync(path, JSON.stringify(progress));
  return summarise(progress, chunks.length);
}

/** Gives one process task after task. */
function drive(folder: string, next: () => Task | undefined, take: (done: Done) => void): Promise<void> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), ["--child", "--folder", folder], {
    execArgv: ["--import", "tsx"],
  });
  return new Promise((resolve, reject) => {
    child.on("exit", (code) =>
      code === 0 || child.killed ? resolve() : reject(new Error(`a process ended with ${code}`)),
    );
    child.on("message", (answer: Done | "ready") => {
      if (answer !== "ready") take(answer);
      const task = next();
      if (task === undefined) child.kill();
      else child.send(task);
    });
  });
}

/** What is not zeros made ahead: all but the unused space of segments and of TAIL. */
function liveKib(images: ImageVfs): number {
  let bytes = 0;
  for (const path of images.paths) {
    const content = images.bytes(path);
    bytes += path.includes("/wal/") ? content.filter((byte) => byte !== 0).length : content.length;
  }
  return Math.floor(bytes / 1024);
}

function summarise({ done, tallies }: Progress, parts: number): number {
  const row = (kind: string, tally: Tally): string =>
    [
      kind.padEnd(36),
      ...[
        tally.bits,
        tally.outcomes["store refused"],
        tally.outcomes["sessions refused"],
        tally.outcomes.harmless,
        tally.unread,
        tally.checks,
        tally.verifications,
        tally.wrong.length,
      ].map((number) => String(number).padStart(10)),
    ].join(" ");
  const titles = ["bits", "store", "sessions", "harmless", "unread", "checks", "verified", "wrong"];
  console.log([" ".repeat(36), ...titles.map((title) => title.padStart(10))].join(" "));
  let total = emptyTally();
  for (const [kind, tally] of Object.entries(tallies).sort(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(row(kind, tally));
    total = addTallies(total, tally);
  }
  console.log(row("together", total));
  if (total.wrong.length > 0) return 1;
  console.log(done.length === parts ? "every bit flipped, 0 wrong" : "not finished; run it again to go on");
  return 0;
}

const folder = option("folder", "tmp/damage");
if (process.argv.includes("--child")) await work(folder);
else process.exitCode = await run(folder);
