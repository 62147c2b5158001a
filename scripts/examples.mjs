// Runs every example (or those whose name contains one of the arguments) and fails when one fails, or when
// there is none: an example that no longer holds is a bug in the docs.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

const wanted = process.argv.slice(2);
const files = readdirSync("examples")
  .filter((name) => name.endsWith(".ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort();
if (files.length === 0) {
  console.error("no example found");
  process.exit(1);
}
const failed = files.filter((name) => {
  console.log(`\n${name}`);
  const run = spawnSync(process.execPath, ["--import", "tsx", join("examples", name)], { stdio: "inherit" });
  return run.status !== 0;
});
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(", ")}`);
  process.exit(1);
}
