// Compiles src/ into an empty dist/, makes the command executable, and compiles bench/ into dist/bench/.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

rmSync("dist", { recursive: true, force: true });
compile("tsconfig.build.json");
chmodSync("dist/cli/main.js", 0o755);

// Benches import the store from ../src/, which in dist/ lies one folder up, without that name.
const OUTPUT = "dist/.bench";
compile("tsconfig.bench.json");
cpSync(join(OUTPUT, "bench"), "dist/bench", { recursive: true });
rmSync(OUTPUT, { recursive: true });
for (const name of readdirSync("dist/bench", { recursive: true })) {
  const file = join("dist/bench", name);
  if (!file.endsWith(".js")) continue;
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replaceAll(/(from |import\()"((?:\.\.\/)+)src\//g, '$1"$2'));
}

function compile(project) {
  const compiled = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", project], {
    stdio: "inherit",
  });
  if (compiled.status !== 0) process.exit(compiled.status ?? 1);
}
