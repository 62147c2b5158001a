/**
 * The syntax tree of compiled JavaScript, and where its places lie in the TypeScript it was made of. What is
 * measured or mutated is what runs; what is reported are lines of the source. It deliberately knows nothing of
 * branches or mutations.
 */
import { createRequire, SourceMap } from "node:module";
import { transformSync } from "esbuild";
import { compile } from "../planted/compile.ts";

export interface TreeNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Parser {
  parse(code: string, options: { ecmaVersion: number; sourceType: "module" }): TreeNode;
}

const ECMA_VERSION = 2022;

export interface Compiled {
  readonly code: string;
  readonly tree: TreeNode;
  /** The line, from 1, of the source that a place of the code was made of. */
  lineAt(offset: number): number;
}

export function compileToTree(source: string): Compiled {
  const code = compile(source);
  // The same code but for the endings of imports, which are as long.
  const { map } = transformSync(source, { loader: "ts", target: "es2022", sourcemap: "external" });
  const sourceMap = new SourceMap(JSON.parse(map));
  const starts = lineStarts(code);
  return {
    code,
    tree: parser().parse(code, { ecmaVersion: ECMA_VERSION, sourceType: "module" }),
    lineAt(offset) {
      const line = starts.findLastIndex((start) => start <= offset);
      const entry = sourceMap.findEntry(line, offset - (starts[line] ?? 0));
      return ("originalLine" in entry ? entry.originalLine : 0) + 1;
    },
  };
}

/** Every node with those it lies in, outermost first. */
export function* everyNode(
  node: TreeNode,
  parents: readonly TreeNode[] = [],
): Generator<{ node: TreeNode; parents: readonly TreeNode[] }> {
  yield { node, parents };
  for (const child of children(node)) yield* everyNode(child, [...parents, node]);
}

/** The node, or the nodes, under a key; none when it is absent. */
export function nodesAt(node: TreeNode, key: string): TreeNode[] {
  const value = node[key];
  return (Array.isArray(value) ? value : [value]).filter(isNode);
}

function children(node: TreeNode): TreeNode[] {
  return Object.keys(node).flatMap((key) => nodesAt(node, key));
}

function isNode(value: unknown): value is TreeNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function lineStarts(code: string): number[] {
  const starts = [0];
  for (let at = code.indexOf("\n"); at !== -1; at = code.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** A tool of measurements alone: what is type-checked or tested does without it. */
function parser(): Parser {
  return createRequire(import.meta.url)("acorn") as Parser;
}
