// Compiles the package and runs its benches: what is measured is what users install, not the sources under a loader.
import { spawnSync } from "node:child_process";

const run = (file, args = []) =>
  spawnSync(process.execPath, [file, ...args], { stdio: "inherit" }).status ?? 1;

const built = run("scripts/build.mjs");
process.exitCode = built === 0 ? run("dist/bench/main.js", process.argv.slice(2)) : built;
