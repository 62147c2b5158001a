/**
 * Makes a compiled copy one in which nothing else can run: sources of `src/` and `test/` are removed, places
 * where a test names one for a child process name the compiled module, and `tsx`, which children and threads are
 * started with, does nothing.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** `new URL("../x.ts", …)`, `at("../x.ts")`, `from "./x.ts"` inside a program text. */
const NAMED_SOURCE = /(["'`])(\.{0,2}\/?[\w./-]+)\.ts\1/g;

export function onlyCompiled(root: string): void {
  for (const folder of ["src", "test"]) {
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      const path = join(root, folder, String(name));
      if (path.endsWith(".ts")) {
        rmSync(path);
      } else if (/\.(js|mjs)$/.test(path)) {
        const text = readFileSync(path, "utf8");
        // A module of src/ keeps its text: offsets are counted in it. It knows whether it is compiled by its name.
        if (folder === "test") writeFileSync(path, text.replace(NAMED_SOURCE, "$1$2.js$1"));
      }
    }
  }
  replaceTsx(root);
}

function replaceTsx(root: string): void {
  const modules = join(root, "node_modules");
  rmSync(modules);
  mkdirSync(modules);
  for (const name of readdirSync("node_modules")) {
    if (name !== "tsx" && !name.startsWith("."))
      symlinkSync(resolve("node_modules", name), join(modules, name));
  }
  const tsx = join(modules, "tsx");
  mkdirSync(tsx);
  const api = "./api.cjs";
  const exports = { ".": api, "./cjs/api": api, "./esm/api": api };
  writeFileSync(join(tsx, "package.json"), JSON.stringify({ name: "tsx", version: "0.0.0", exports }));
  writeFileSync(join(tsx, "api.cjs"), "exports.register = () => {};\n");
}
