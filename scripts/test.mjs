// Runs every test file under test/ (or those whose path contains one of the arguments) and fails when it
// finds none: `node --test` on Node 20 knows no globs and calls "nothing found" a pass.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const files = readdirSync("test", { recursive: true })
  .map((name) => join("test", String(name)))
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort();
if (files.length === 0) {
  console.error("no test file found");
  process.exit(1);
}
const run = spawnSync(
  process.execPath,
  [
    "--enable-source-maps",
    "--import",
    "tsx",
    "--test",
    "--test-reporter=spec",
    "--test-timeout=900000",
    // Node leaves one processor to the runner, which only waits.
    `--test-concurrency=${availableParallelism()}`,
    ...flags,
    ...files,
  ],
  { stdio: "inherit" },
);
process.exit(run.status ?? 1);
