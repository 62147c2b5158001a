/**
 * What the crash model must never do, over random histories: lose a synced byte or a synced name. And what
 * it must do: find each missing step of the protocol by which files are published, so that a store that
 * forgets one cannot pass.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import type { CrashChooser, SectorFate } from "../../src/vfs/memory-crash.ts";
import type { VfsFile } from "../../src/vfs/vfs.ts";
import { readWhole } from "../../src/vfs/whole.ts";

const FATE: fc.Arbitrary<SectorFate> = fc.oneof(
  fc.constantFrom<SectorFate>("lost", "kept"),
  fc.record({ garbage: fc.nat() }),
  fc.record({ torn: fc.constantFrom("front" as const, "back" as const), bytes: fc.nat(600) }),
);
/** Any crash there is: a fate for each part in turn, over and over. */
const CHOOSER: fc.Arbitrary<CrashChooser> = fc
  .tuple(fc.array(FATE, { minLength: 1 }), fc.array(fc.boolean(), { minLength: 1 }))
  .map(([fates, keeps]) => {
    let turn = 0;
    const next = () => (keeps[turn++ % keeps.length] ? "kept" : "lost");
    return { sector: () => fates[turn++ % fates.length] ?? "lost", length: next, name: next };
  });

const FILE_STEP = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      at: fc.nat(3000),
      size: fc.nat(1500),
      byte: fc.integer({ min: 1, max: 255 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), at: fc.nat(4000) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "sync" as const }) },
);

type FileStep = typeof FILE_STEP extends fc.Arbitrary<infer Step> ? Step : never;

/** A file and what must survive of it: the bytes at its last sync, and where nothing was changed since. */
class TrackedFile {
  readonly #file: VfsFile;
  content = Buffer.alloc(0);
  synced = Buffer.alloc(0);
  changed = new Set<number>();

  constructor(file: VfsFile) {
    this.#file = file;
  }

  write(at: number, part: Buffer): void {
    this.#file.write([part], at);
    if (part.byteLength === 0) return;
    this.#resize(Math.max(this.content.byteLength, at + part.byteLength));
    this.content.set(part, at);
    for (let byte = at; byte < at + part.byteLength; byte++) this.changed.add(byte);
  }

  truncate(size: number): void {
    this.#file.truncate(size);
    for (let byte = size; byte < this.content.byteLength; byte++) this.changed.add(byte);
    this.#resize(size);
  }

  sync(): void {
    this.#file.datasync();
    this.forgetChanges();
  }

  forgetChanges(): void {
    this.synced = Buffer.from(this.content);
    this.changed.clear();
  }

  /** Positions of synced, unchanged bytes that `bytes` has not. */
  lostIn(bytes: Uint8Array): number[] {
    return [...this.synced.keys()].filter((at) => !this.changed.has(at) && bytes[at] !== this.synced[at]);
  }

  #resize(size: number): void {
    const resized = Buffer.alloc(size);
    resized.set(this.content.subarray(0, size));
    this.content = resized;
  }
}

function run(steps: readonly FileStep[], syncs: "real" | "forgotten") {
  const vfs = new MemoryVfs();
  const file = new TrackedFile(vfs.open("/a", "create"));
  vfs.syncDirectory("/");
  for (const step of steps) {
    if (step.kind === "write") file.write(step.at, Buffer.alloc(step.size, step.byte));
    else if (step.kind === "truncate") file.truncate(step.at);
    else if (syncs === "real") file.sync();
    else file.forgetChanges();
  }
  return { vfs, file };
}

function contentOf(vfs: MemoryVfs, path = "/a"): Uint8Array {
  const bytes = readWhole(vfs, path, 1e6);
  assert.ok(bytes !== undefined, `${path} is absent`);
  return bytes;
}

describe("durability: contents", () => {
  it("synced bytes survive any crash, whatever was written since and whatever the crash chose", () => {
    fc.assert(
      fc.property(fc.array(FILE_STEP, { maxLength: 15 }), CHOOSER, (steps, chooser) => {
        const { vfs, file } = run(steps, "real");
        assert.deepEqual(file.lostIn(contentOf(vfs.crash(chooser))), []);
      }),
      { numRuns: 400 },
    );
  });

  it("nothing kept is exactly the last sync, everything kept exactly the present", () => {
    fc.assert(
      fc.property(fc.array(FILE_STEP, { maxLength: 15 }), (steps) => {
        const { vfs, file } = run(steps, "real");
        assert.equal(Buffer.compare(contentOf(vfs.crashKeepingNothing()), file.synced), 0);
        assert.equal(Buffer.compare(contentOf(vfs.crashKeepingEverything()), file.content), 0);
        assert.equal(Buffer.compare(contentOf(vfs), file.content), 0);
      }),
      { numRuns: 300 },
    );
  });

  it("without the syncs the same property fails", () => {
    const outcome = fc.check(
      fc.property(fc.array(FILE_STEP, { maxLength: 15 }), CHOOSER, (steps, chooser) => {
        const { vfs, file } = run(steps, "forgotten");
        return file.lostIn(contentOf(vfs.crash(chooser))).length === 0;
      }),
      { numRuns: 400 },
    );
    assert.equal(outcome.failed, true);
  });
});

const NAME = fc.constantFrom("/x/1", "/x/2", "/x/3", "/y/1", "/y/2");
const NAME_STEP = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("create" as const), path: NAME }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("rename" as const), path: NAME, target: NAME }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), path: NAME }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("sync" as const), path: fc.constantFrom("/x", "/y") }),
  },
);

function tree(vfs: MemoryVfs): Map<string, number | undefined> {
  const paths = ["/x", "/y"].flatMap((directory) =>
    vfs.list(directory).map((name) => `${directory}/${name}`),
  );
  return new Map(paths.map((path) => [path, vfs.stat(path)?.ino]));
}

describe("durability: names", () => {
  it("synced names that nothing touched since survive any crash", () => {
    fc.assert(
      fc.property(fc.array(NAME_STEP, { maxLength: 20 }), CHOOSER, (steps, chooser) => {
        const vfs = new MemoryVfs();
        for (const directory of ["/x", "/y"]) vfs.makeDirectory(directory);
        vfs.syncDirectory("/");
        const synced = new Map<string, number | undefined>();
        for (const step of steps) {
          if (step.kind === "sync") {
            vfs.syncDirectory(step.path);
            for (const path of synced.keys()) if (path.startsWith(step.path)) synced.delete(path);
            for (const [path, ino] of tree(vfs)) if (path.startsWith(step.path)) synced.set(path, ino);
            continue;
          }
          if (step.kind === "create" && vfs.stat(step.path) === undefined) vfs.open(step.path, "create");
          if (step.kind === "remove") vfs.remove(step.path);
          if (step.kind === "rename" && vfs.stat(step.path) !== undefined) {
            if (step.target !== step.path) synced.delete(step.target);
            vfs.rename(step.path, step.target);
          }
          if (step.kind === "remove" || (step.kind === "rename" && step.target !== step.path)) {
            synced.delete(step.path);
          }
        }
        const crashed = tree(vfs.crash(chooser));
        for (const [path, ino] of synced) assert.equal(crashed.get(path), ino, path);
        assert.deepEqual(tree(vfs.crashKeepingEverything()), tree(vfs));
      }),
      { numRuns: 500 },
    );
  });
});

/** Publishes "new…" over "old…", without one step, and answers every content that a crash could leave. */
function publishedStates(skipped: "sync content" | "sync name" | undefined): {
  during: Set<string>;
  after: Set<string>;
} {
  const vfs = new MemoryVfs();
  const old = vfs.open("/a", "create");
  old.write([Buffer.alloc(1200, "old ")], 0);
  old.sync();
  vfs.syncDirectory("/");
  const during = new Set<string>();
  const collect = (into: Set<string>): void => {
    for (const crash of vfs.crashes()) into.add(describeContent(crash.vfs));
    for (let seed = 0; seed < 40; seed++) into.add(describeContent(vfs.crashRandomly(seed)));
  };
  vfs.onOperation = () => collect(during);
  const next = vfs.open("/a.tmp", "create");
  next.write([Buffer.alloc(1400, "new ")], 0);
  if (skipped !== "sync content") next.sync();
  vfs.rename("/a.tmp", "/a");
  if (skipped !== "sync name") vfs.syncDirectory("/");
  const after = new Set<string>();
  collect(after);
  return { during, after };
}

function describeContent(vfs: MemoryVfs): string {
  const bytes = readWhole(vfs, "/a", 1e6);
  if (bytes === undefined) return "absent";
  if (Buffer.compare(bytes, Buffer.alloc(1200, "old ")) === 0) return "old";
  return Buffer.compare(bytes, Buffer.alloc(1400, "new ")) === 0 ? "new" : "broken";
}

describe("durability: publishing by rename", () => {
  it("write, sync, rename, sync the directory: old or new at any moment, new afterwards", () => {
    const { during, after } = publishedStates(undefined);
    assert.deepEqual(during, new Set(["old", "new"]));
    assert.deepEqual(after, new Set(["new"]));
  });

  it("without the sync of the content, some crash leaves a broken file under the name", () => {
    const { after } = publishedStates("sync content");
    assert.ok(after.has("broken"));
  });

  it("without the sync of the directory, some crash leaves the old file afterwards", () => {
    const { after } = publishedStates("sync name");
    assert.deepEqual(after, new Set(["old", "new"]));
  });
});
