/** A copy of what tests need, in which one file at a time is broken. It deliberately runs nothing. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Rule } from "./entries.ts";

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

/** The tree may change meanwhile; it does not. */
export class Workshop {
  readonly root = mkdtempSync(join(tmpdir(), "varve-rules-"));

  constructor(source: string) {
    for (const name of NEEDED) cpSync(join(source, name), join(this.root, name), { recursive: true });
    symlinkSync(resolve("node_modules"), join(this.root, "node_modules"), "dir");
  }

  /** Plants the break; answers how to mend it. */
  plant(planted: Rule["break"]): () => void {
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
