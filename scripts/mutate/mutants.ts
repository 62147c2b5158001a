/**
 * The mutants of a module: small changes of its compiled code, each of which some test should notice.
 *
 * - comparison moved by one (`<` to `<=`), negated (`===` to `!==`), a condition turned round
 * - arithmetic and bit operations exchanged, `++` for `--`, `+=` for `-=`
 * - `&&` for `||` and back, `??` for `&&`, `!` left out
 * - a call or an assignment that stands alone left out
 * - a returned constant changed, anything else returned replaced by nothing
 *
 * It deliberately leaves alone: assertions (they guard what no input reaches), texts of messages, and literals
 * elsewhere than in `return`.
 */
import { type Compiled, everyNode, nodesAt, type TreeNode } from "../javascript/tree.ts";

export interface Mutant {
  readonly file: string;
  /** Line of the source, from 1. */
  readonly line: number;
  /** Between these offsets of the compiled code comes `replacement`. */
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** What was there, and what is. */
  readonly change: string;
}

type Edit = Pick<Mutant, "start" | "end" | "replacement">;

const BINARY: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "<<": ">>>",
  ">>": "<<",
  ">>>": "<<",
  "&": "|",
  "|": "&",
  "^": "&",
};
const LOGICAL: Readonly<Record<string, string>> = { "&&": "||", "||": "&&", "??": "&&" };
const ASSIGNMENT: Readonly<Record<string, string>> = { "+=": "-=", "-=": "+=", "|=": "&=", "*=": "/=" };
const REMOVABLE = new Set(["CallExpression", "AwaitExpression", "YieldExpression", "AssignmentExpression"]);
const CONDITIONAL = new Set(["IfStatement", "ConditionalExpression", "WhileStatement"]);
/** Turned round by their own operator already. */
const EQUALITIES = new Set(["===", "!=="]);

export function mutantsOf(file: string, { code, tree, lineAt }: Compiled): Mutant[] {
  const mutants: Mutant[] = [];
  for (const { node, parents } of everyNode(tree)) {
    if ([...parents, node].some(isLeftAlone)) continue;
    for (const edit of editsOf(node, code)) {
      const { start, end, replacement } = edit;
      mutants.push({ ...edit, file, line: lineAt(start), change: told(code, node, start, end, replacement) });
    }
  }
  return mutants;
}

export function mutate(code: string, { start, end, replacement }: Edit): string {
  return code.slice(0, start) + replacement + code.slice(end);
}

function editsOf(node: TreeNode, code: string): Edit[] {
  const operator = String(node.operator);
  const [left] = nodesAt(node, "left");
  const [right] = nodesAt(node, "right");
  const [argument] = nodesAt(node, "argument");
  const exchanged = (by: Readonly<Record<string, string>>): Edit[] => {
    const replacement = by[operator];
    if (left === undefined || right === undefined || replacement === undefined) return [];
    const start = code.indexOf(operator, left.end);
    return [{ start, end: start + operator.length, replacement }];
  };
  const turned = CONDITIONAL.has(node.type)
    ? nodesAt(node, "test").flatMap((test) => negation(test, code))
    : [];
  switch (node.type) {
    case "BinaryExpression":
      return isText(left) || isText(right) ? [] : exchanged(BINARY);
    case "LogicalExpression":
      return exchangeLogical(node, left, right, code);
    case "AssignmentExpression":
      return exchanged(ASSIGNMENT);
    case "UpdateExpression": {
      const start = node.prefix === true ? node.start : node.end - operator.length;
      return [{ start, end: start + operator.length, replacement: operator === "++" ? "--" : "++" }];
    }
    case "UnaryExpression":
      return operator === "!" && argument !== undefined ? [replace(node, text(code, argument))] : [];
    case "ExpressionStatement":
      return nodesAt(node, "expression").some(({ type }) => REMOVABLE.has(type)) ? [replace(node, ";")] : [];
    case "ReturnStatement":
      return argument === undefined || isNothing(argument) ? [] : [replace(argument, otherResult(argument))];
  }
  return turned;
}

function negation(test: TreeNode, code: string): Edit[] {
  if (EQUALITIES.has(String(test.operator)) || test.operator === "!" || test.type === "Literal") return [];
  return [replace(test, `!(${text(code, test)})`)];
}

/** In brackets, so that what is around it groups as before. */
function exchangeLogical(
  node: TreeNode,
  left: TreeNode | undefined,
  right: TreeNode | undefined,
  code: string,
): Edit[] {
  const operator = LOGICAL[String(node.operator)];
  if (left === undefined || right === undefined || operator === undefined) return [];
  return [replace(node, `((${text(code, left)}) ${operator} (${text(code, right)}))`)];
}

function otherResult(argument: TreeNode): string {
  if (argument.type !== "Literal") return "undefined";
  if (typeof argument.value === "boolean") return String(!argument.value);
  return typeof argument.value === "number" ? String(argument.value + 1) : "undefined";
}

function isNothing(node: TreeNode): boolean {
  return node.name === "undefined" || node.operator === "void";
}

function isLeftAlone(node: TreeNode): boolean {
  if (node.type === "TemplateLiteral") return true;
  if (node.type === "ExpressionStatement") return nodesAt(node, "expression").some(isLeftAlone);
  const [callee] = node.type === "CallExpression" ? nodesAt(node, "callee") : [];
  return callee !== undefined && (callee.type === "Super" || callee.name === "assert");
}

function isText(node: TreeNode | undefined): boolean {
  return node?.type === "TemplateLiteral" || typeof node?.value === "string";
}

function replace({ start, end }: TreeNode, replacement: string): Edit {
  return { start, end, replacement };
}

function text(code: string, { start, end }: TreeNode): string {
  return code.slice(start, end);
}

/** The whole expression around the change, as it was and as it is, shortened. */
function told(code: string, node: TreeNode, start: number, end: number, replacement: string): string {
  const after = code.slice(node.start, start) + replacement + code.slice(end, node.end);
  return `${short(text(code, node))} → ${short(after) === ";" ? "nothing" : short(after)}`;
}

function short(code: string): string {
  const line = code.replace(/\s+/g, " ");
  return line.length <= 90 ? line : `${line.slice(0, 60)}…${line.slice(-25)}`;
}
