/**
 * The shape of the house, held by reading the source: who may import whom, where the outside packages and
 * the file system enter, how a file begins, and what the documents say. It deliberately runs no store code
 * but the table of errors.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { test } from "node:test";
import { ERRORS_DOC, errorsDocument } from "../scripts/errors.ts";
import { STORE_ERRORS } from "../src/errors.ts";

/** Folders and their floor; a file of src/ itself that is not in GROUND is on the roof. */
const FLOOR_OF_FOLDER = {
  cli: 5,
  inspect: 5,
  testing: 5,
  actors: 4,
  snapshot: 3,
  wal: 2,
  vfs: 1,
  session: 1,
} as const;
const GROUND = [
  "ids",
  "limits",
  "errors",
  "assert",
  "checksum",
  "codec",
  "clock",
  "steps",
  "flipped-bit",
  "msgpack-reader",
  "msgpack-writer",
];
const ROOF = 5;

/** Outside packages and the only files that may import them. */
const PACKAGES: Readonly<Record<string, RegExp>> = {
  xstate: /^actors\//,
  piscina: /^snapshot\/pool\.ts$/,
  msgpackr: /^codec\.ts$/,
  "fast-check": /^testing\/conformance\/(history-steps|random-history)\.ts$/,
  "fs-native-extensions": /^vfs\/disk(-[a-z-]+)?\.ts$/,
};
/** Where the real file system enters: the disk, and the command line (floor 5), which reads hosts' files. */
const FILE_SYSTEM = /^(vfs\/disk(-[a-z-]+)?\.ts|cli\/.*)$/;

/** Where users enter: the package's three doors and the command. */
const DOORS = new Set(["index.ts", "opentelemetry.ts", "testing/index.ts", "cli/main.ts"]);

const MAX_LINES = 300;
/** Files that are longer for a reason. */
const LONGER: Readonly<Record<string, string>> = {
  "session/types.ts": "the contract's data types, declarations only",
  "testing/conformance/arguments.ts": "one area of laws, read side by side",
  "testing/conformance/commit.ts": "one area of laws, read side by side",
  "testing/conformance/graph.ts": "one area of laws, read side by side",
  "testing/conformance/lifecycle.ts": "one area of laws, read side by side",
  "testing/conformance/load.ts": "one area of laws, read side by side",
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  /** Path below src/, where the import is one of ours. */
  readonly target: string | undefined;
}

const files = readdirSync("src", { recursive: true })
  .map((name) => String(name).replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".ts"))
  .sort();

function source(file: string): string {
  return readFileSync(join("src", file), "utf8");
}

function importsOf(file: string): Import[] {
  const text = source(file).replace(/\/\*[\s\S]*?\*\//g, "");
  const statement = /^(?:import|export)\s+(?:[\w*{}\s,$]+?\sfrom\s+)?["']([^"']+)["']/gm;
  const found = [...text.matchAll(statement), ...text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g)];
  return found.map((match) => {
    const specifier = match[1] ?? "";
    const target = specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined;
    return { file, specifier, target };
  });
}

/** The file without its comments. */
function codeOf(file: string): string {
  return source(file).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
}

const imports = files.flatMap(importsOf);

function folderOf(file: string): string | undefined {
  const at = file.indexOf("/");
  return at === -1 ? undefined : file.slice(0, at);
}

function floorOf(file: string): number {
  const folder = folderOf(file);
  if (folder !== undefined) {
    const floor = FLOOR_OF_FOLDER[folder as keyof typeof FLOOR_OF_FOLDER];
    assert.notEqual(floor, undefined, `src/${folder}/ is on no floor`);
    return floor;
  }
  return GROUND.includes(file.replace(/\.ts$/, "")) ? 0 : ROOF;
}

test("every import goes down, and never sideways between vfs and session", () => {
  const wrong = imports.filter(({ file, target }) => {
    if (target === undefined || folderOf(file) === folderOf(target)) return false;
    if (isContractType({ file, target })) return false;
    const up = floorOf(target) > floorOf(file);
    const sideways = floorOf(target) === floorOf(file) && floorOf(file) < ROOF;
    return up || sideways;
  });
  assert.deepEqual(wrong.map(show), []);
});

/** contract.ts holds no code: the types of the store may be named from any floor that answers them. */
function isContractType({ file, target }: { file: string; target: string }): boolean {
  if (target !== "contract.ts" || floorOf(file) < 3) return false;
  return /import type [^;]*from "(\.\.\/)*\.?\/?contract\.ts"/.test(source(file));
}

test("wal imports vfs and the ground floor only", () => {
  const wrong = imports.filter(
    ({ file, target }) =>
      file.startsWith("wal/") &&
      target !== undefined &&
      !/^(wal|vfs)\//.test(target) &&
      floorOf(target) !== 0,
  );
  assert.deepEqual(wrong.map(show), []);
});

test("the ground floor imports only itself", () => {
  const wrong = imports.filter(
    ({ file, target }) => floorOf(file) === 0 && target !== undefined && floorOf(target) !== 0,
  );
  assert.deepEqual(wrong.map(show), []);
});

test("each outside package has one place where it enters", () => {
  const wrong = imports.filter(({ file, specifier, target }) => {
    if (target !== undefined || specifier.startsWith("node:")) return false;
    const [name = ""] = specifier.startsWith("@") ? [specifier] : specifier.split("/");
    const door = Object.hasOwn(PACKAGES, name) ? PACKAGES[name] : undefined;
    return door?.test(file) !== true;
  });
  assert.deepEqual(wrong.map(show), []);
});

test("the file system enters only through the disk and the command line", () => {
  const wrong = imports.filter(
    ({ file, specifier }) => /^(node:)?fs(\/|$)/.test(specifier) && !FILE_SYSTEM.test(file),
  );
  assert.deepEqual(wrong.map(show), []);
});

test("builtin modules are named with node: and every package is a dependency", () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
    dependencies: object;
    peerDependencies: object;
  };
  const known = Object.keys({ ...dependencies, ...peerDependencies });
  const wrong = imports.filter(({ specifier, target }) => {
    if (target !== undefined || specifier.startsWith("node:")) return false;
    return !known.some((name) => specifier === name || specifier.startsWith(`${name}/`));
  });
  assert.deepEqual(wrong.map(show), []);
});

test("no import goes round in a circle between folders", () => {
  const edges = new Map<string, Set<string>>();
  for (const { file, target } of imports) {
    const [from, to] = [folderOf(file), target === undefined ? undefined : folderOf(target)];
    if (from === undefined || to === undefined || from === to) continue;
    edges.set(from, (edges.get(from) ?? new Set()).add(to));
  }
  for (const [from, targets] of edges) {
    for (const to of targets) assert.ok(!edges.get(to)?.has(from), `${from}/ and ${to}/ import each other`);
  }
});

test("every file is reached from the package's door, a worker's entry or the command line", () => {
  const reached = new Set<string>();
  const entries = files.filter((file) => DOORS.has(file) || /(^|\/)[a-z-]*(worker|thread)\.ts$/.test(file));
  const queue = [...entries];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue;
    reached.add(file);
    for (const { file: from, target } of imports)
      if (from === file && target !== undefined) queue.push(target);
  }
  assert.deepEqual(
    files.filter((file) => !reached.has(file)),
    [],
  );
});

test("nothing but the door for tests reaches into testing, and only the conformance suite imports node:test", () => {
  const wrong = imports.filter(
    ({ file, specifier, target }) =>
      (target?.startsWith("testing/") && !file.startsWith("testing/")) ||
      (specifier === "node:test" && !file.startsWith("testing/conformance/")),
  );
  assert.deepEqual(wrong.map(show), []);
});

test("no file has a default export", () => {
  const wrong = files.filter((file) => /^export default\b|\bas default\b/m.test(source(file)));
  assert.deepEqual(wrong, []);
});

test("every file is at most 300 lines long or says why", () => {
  const long = files.filter((file) => source(file).split("\n").length - 1 > MAX_LINES);
  assert.deepEqual(long, Object.keys(LONGER));
});

test("every file begins with a comment that says what it is for", () => {
  const bare = files.filter((file) => !/^(#![^\n]*\n)?\/\*\*\s+\*? ?\S|^\/\*\* \S/.test(source(file)));
  assert.deepEqual(bare, []);
});

test("file names are kebab-case", () => {
  const wrong = files.filter((file) => !/^([a-z0-9-]+\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(file));
  assert.deepEqual(wrong, []);
});

test("nothing is left to do, and nothing is switched off for the compiler", () => {
  const marks = /\b(TODO|FIXME|XXX|HACK)\b|not implemented|@ts-(ignore|expect-error|nocheck)/;
  const anything = /: any\b|\bas any\b|<any>/;
  const wrong = files.filter((file) => marks.test(source(file)) || anything.test(codeOf(file)));
  assert.deepEqual(wrong, []);
});

test("test names are unique within their file's area and clauses of behaviour", () => {
  const seen = new Map<string, string>();
  const twice: string[] = [];
  const inTest = readdirSync("test", { recursive: true })
    .map((name) => `test/${String(name).replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".ts") && !name.startsWith("test/fixtures/"));
  const laws = files.filter((file) => file.startsWith("testing/conformance/")).map((file) => `src/${file}`);
  for (const file of [...inTest, ...laws]) {
    const text = readFileSync(file, "utf8");
    for (const match of text.matchAll(/^\s*(?:test|law|it)\(\s*"((?:[^"\\]|\\.)+)"/gm)) {
      const name = `${dirname(file)}: ${match[1]}`;
      const first = seen.get(name);
      if (first !== undefined) twice.push(`${name} (${first}, ${file})`);
      seen.set(name, file);
    }
  }
  assert.ok(seen.size > 0);
  assert.deepEqual(twice, []);
});

test("docs/errors.md holds exactly the table of codes", () => {
  const document = readFileSync(ERRORS_DOC, "utf8");
  assert.equal(document, errorsDocument(readFileSync("src/errors.ts", "utf8")));
  for (const [code, { retry }] of Object.entries(STORE_ERRORS)) {
    assert.ok(document.includes(`| \`${code}\` | \`${retry}\` |`), code);
  }
});

function show({ file, specifier }: Import): string {
  return `src/${file} imports ${specifier}`;
}
