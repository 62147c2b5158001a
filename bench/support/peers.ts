/**
 * Finds the packages that the store is measured beside. They are no dependency of the package: in its repository
 * they lie under bench/, a user may have some of them. One that is absent, or that does not load on this node,
 * is said in one line, and the bench goes on without it.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

export type Peer<Module> = { readonly module: Module } | { readonly absent: string };

/** Where packages are looked for: beside the benches, then in the current directory. */
function requires(): NodeJS.Require[] {
  const inCurrent = ["package.json", "bench/package.json"].map((file) => join(process.cwd(), file));
  return [createRequire(import.meta.url), ...inCurrent.map((file) => createRequire(file))];
}

/** The caller names the shape it uses; a module that lacks one of `names` counts as absent. */
export async function loadPeer<Module>(
  name: string,
  names: readonly (keyof Module & string)[],
): Promise<Peer<Module>> {
  let problem = "is not installed";
  for (const require of requires()) {
    let path: string;
    try {
      path = require.resolve(name);
    } catch {
      continue;
    }
    try {
      const found: unknown = await import(pathToFileURL(path).href);
      const module = shapedLike<Module>(found, names);
      if (module !== undefined) return { module };
      problem = `has no ${names.join(", ")}`;
    } catch (error) {
      problem = `does not load: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
    }
  }
  return { absent: `${name} ${problem}: its rows are left out` };
}

function shapedLike<Module>(found: unknown, names: readonly string[]): Module | undefined {
  if (typeof found !== "object" || found === null) return undefined;
  const record = found as Record<string, unknown>;
  return names.every((name) => record[name] !== undefined) ? (found as Module) : undefined;
}

/** Installed version, or undefined. */
export function peerVersion(name: string): string | undefined {
  for (const require of requires()) {
    let folder: string;
    try {
      folder = dirname(require.resolve(name));
    } catch {
      continue;
    }
    for (; folder !== dirname(folder); folder = dirname(folder)) {
      try {
        const found = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
          string,
          unknown
        >;
        if (found.name === name) return String(found.version);
      } catch {
        // No package.json here: its root is further up.
      }
    }
  }
  return undefined;
}
