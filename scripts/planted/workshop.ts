/**
 * A copy of what a test needs, in which one file may be broken. The working tree may change meanwhile; the copy
 * does not, and nothing of the tree is ever changed. One break at a time in a workshop; several workshops work
 * beside each other.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Break } from "./break.ts";

/** What a test needs of the tree. */
const NEEDED = [
  "src",
  "test",
  "scripts",
  "docs",
  "examples",
  "package.json",
  "tsconfig.json",
  "tsconfig.build.json",
];

export class Workshop {
  readonly root = mkdtempSync(join(tmpdir(), "varve-planted-"));

  constructor(source: string) {
    for (const name of NEEDED) cpSync(join(source, name), join(this.root, name), { recursive: true });
    symlinkSync(resolve("node_modules"), join(this.root, "node_modules"), "dir");
    mkdirSync(this.temporary);
  }

  /** Where its tests put their files, so that those of a run that was ended go with it. */
  get temporary(): string {
    return join(this.root, "tmp");
  }

  /** Plants the break; answers how to mend it. */
  plant(planted: Break): () => void {
    const path = join(this.root, planted.file);
    const sound = readFileSync(path, "utf8");
    writeFileSync(
      path,
      sound.replace(planted.find, () => planted.replace),
    );
    return () => writeFileSync(path, sound);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Works with `count` workshops that are gone afterwards, whatever happened. */
export async function withWorkshops<Result>(
  count: number,
  work: (workshops: readonly Workshop[]) => Promise<Result>,
): Promise<Result> {
  const first = new Workshop(".");
  const workshops = [first];
  try {
    // Copies of the first: all are of the same moment.
    while (workshops.length < count) workshops.push(new Workshop(first.root));
    return await work(workshops);
  } finally {
    for (const workshop of workshops) workshop.remove();
  }
}

/** Every item once, each workshop taking the next. */
export async function inTurn<Item>(
  workshops: readonly Workshop[],
  items: readonly Item[],
  work: (workshop: Workshop, item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const takers = workshops.map(async (workshop) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(workshop, item);
  });
  await Promise.all(takers);
}
