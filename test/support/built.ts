/**
 * Builds the package as it ships, into a temporary folder: child processes start several times faster from it
 * than from the sources, and strace sees the store's calls instead of a loader's. A bug can be planted in the
 * copy, which is how a suite shows that it can fail.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** One change of one place in `src/`. */
export interface Break {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Answers the built load process of `varve torture`, below `folder`. */
export function buildLoadProcess(folder: string, planted?: Break): string {
  mkdirSync(folder, { recursive: true });
  for (const name of ["src", "package.json", "tsconfig.json", "tsconfig.build.json"])
    cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"), "dir");
  if (planted !== undefined) plant(folder, planted);
  const compiler = resolve("node_modules/typescript/bin/tsc");
  // A planted bug may leave something unused, also one that was planted in the sources.
  const flags = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"];
  const built = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json", ...flags], {
    cwd: folder,
    encoding: "utf8",
  });
  if (built.status !== 0) throw new Error(`the package does not build:\n${built.stdout}${built.stderr}`);
  return join(folder, "dist/cli/torture/load-worker.js");
}

function plant(folder: string, { file, find, replace }: Break): void {
  const path = join(folder, file);
  const sound = readFileSync(path, "utf8");
  if (sound.split(find).length !== 2) throw new Error(`${find} is not once in ${file}`);
  writeFileSync(
    path,
    sound.replace(find, () => replace),
  );
}
