/**
 * A copy of what a test needs, in which one file may be broken. The working tree may change meanwhile; the copy
 * does not, and nothing of the tree is ever changed. One break at a time in a workshop; several workshops work
 * beside each other.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Break } from "./break.ts";
import { compile, compiledPath, compileFolder } from "./compile.ts";

const SOURCES = ["src", "test", "scripts", "examples"];
/** What a test needs of the tree. */
const NEEDED = [...SOURCES, "docs", "package.json", "tsconfig.json", "tsconfig.build.json"];

/** As what tests run: compiled starts faster, and its process is the only one. */
export type Form = "source" | "compiled";

export class Workshop {
  readonly root = mkdtempSync(join(tmpdir(), "varve-planted-"));

  constructor(source: string) {
    for (const name of NEEDED) cpSync(join(source, name), join(this.root, name), { recursive: true });
    symlinkSync(resolve("node_modules"), join(this.root, "node_modules"), "dir");
    mkdirSync(this.temporary);
  }

  /** Puts JavaScript beside every source; copies made later have it as well. */
  compile(): void {
    for (const name of SOURCES) compileFolder(join(this.root, name));
  }

  /** Where its tests put their files, so that those of a run that was ended go with it. */
  get temporary(): string {
    return join(this.root, "tmp");
  }

  /** Plants the break; answers how to mend it. */
  plant(planted: Break): () => void {
    const path = join(this.root, planted.file);
    const sound = readFileSync(path, "utf8");
    this.#write(
      path,
      sound.replace(planted.find, () => planted.replace),
    );
    return () => this.#write(path, sound);
  }

  #write(path: string, source: string): void {
    writeFileSync(path, source);
    if (existsSync(compiledPath(path))) writeFileSync(compiledPath(path), compile(source));
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Works with `count` workshops that are gone afterwards, whatever happened. */
export async function withWorkshops<Result>(
  count: number,
  form: Form,
  work: (workshops: readonly Workshop[]) => Promise<Result>,
): Promise<Result> {
  const first = new Workshop(".");
  const workshops = [first];
  try {
    if (form === "compiled") first.compile();
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
