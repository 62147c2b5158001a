/**
 * The branches of a module: every place that control may reach or not. Arms of `if` (the absent `else` too),
 * of `?:`, of `switch`; right sides of `&&`, `||`, `??`; bodies of loops, of `catch`, of functions. Optional
 * chaining, default values and logical assignments are not among them: V8 does not count those.
 *
 * 1. How often an arm ran is what V8 counted at its first character; an absent `else`, what it counted at the
 *    `if` less what it counted at the arm that is there. (A condition that throws counts as an absent `else`.)
 */
import { type Compiled, everyNode, nodesAt, type TreeNode } from "../javascript/tree.ts";

export type ArmKind = "then" | "else" | "right side" | "case" | "loop" | "catch" | "function";

export interface Arm {
  readonly kind: ArmKind;
  /** Line of the source, from 1. */
  readonly line: number;
  /** Its count is that at `at`, less that at `less`. */
  readonly at: number;
  readonly less?: number;
}

const LOOPS = new Set(["ForStatement", "ForInStatement", "ForOfStatement", "WhileStatement"]);
const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);

export function armsOf({ tree, lineAt }: Compiled): Arm[] {
  const arms: Arm[] = [];
  for (const { node } of everyNode(tree)) {
    for (const { kind, at, less } of armsAt(node)) {
      // An absent else is told by the line of its `if`.
      const line = lineAt(less === undefined ? at : node.start);
      arms.push(less === undefined ? { kind, line, at } : { kind, line, at, less });
    }
  }
  return arms;
}

function armsAt(node: TreeNode): Omit<Arm, "line">[] {
  const first = (kind: ArmKind, key: string): Omit<Arm, "line">[] =>
    nodesAt(node, key)
      .slice(0, 1)
      .map(({ start }) => ({ kind, at: start }));
  switch (node.type) {
    case "IfStatement": {
      const [test] = nodesAt(node, "test");
      const [consequent] = nodesAt(node, "consequent");
      const absent =
        test === undefined || consequent === undefined || nodesAt(node, "alternate").length > 0
          ? []
          : [{ kind: "else" as const, at: test.start, less: consequent.start }];
      return [...first("then", "consequent"), ...first("else", "alternate"), ...absent];
    }
    case "ConditionalExpression":
      return [...first("then", "consequent"), ...first("else", "alternate")];
    case "LogicalExpression":
      return first("right side", "right");
    case "SwitchCase":
      return first("case", "consequent");
    case "CatchClause":
      return first("catch", "body");
  }
  if (LOOPS.has(node.type)) return first("loop", "body");
  if (FUNCTIONS.has(node.type)) return first("function", "body");
  return [];
}
