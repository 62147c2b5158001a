/**
 * The first place where two values differ, and words for it. Values are those of the contract: plain objects,
 * arrays, bytes, bigints, texts, numbers, booleans, null. Key order is compared separately, since only nodes
 * keep it.
 */
export interface Difference {
  /** Like `event.conversation.parts[0].content`; "" for the value itself. */
  readonly path: string;
  readonly expected: unknown;
  readonly found: unknown;
}

/** Characters shown of a value. */
const SHOWN = 60;

export function firstDifference(expected: unknown, found: unknown, path = ""): Difference | undefined {
  if (Object.is(expected, found)) return undefined;
  const here = { path, expected, found };
  if (expected instanceof Uint8Array || found instanceof Uint8Array) {
    if (!(expected instanceof Uint8Array) || !(found instanceof Uint8Array)) return here;
    return Buffer.compare(expected, found) === 0 ? undefined : here;
  }
  if (!isContainer(expected) || !isContainer(found)) return here;
  if (Array.isArray(expected) !== Array.isArray(found)) return here;
  const keys = new Set([...Object.keys(expected), ...Object.keys(found)]);
  for (const key of keys) {
    const at = Array.isArray(expected) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    // An absent key and one that holds undefined are different answers.
    if (Object.hasOwn(expected, key) !== Object.hasOwn(found, key)) {
      return { path: at, expected: expected[key], found: found[key] };
    }
    const inside = firstDifference(expected[key], found[key], at);
    if (inside !== undefined) return inside;
  }
  return undefined;
}

/** Equal, and with all keys in the same order. The common case, so it builds no paths. */
export function isIdentical(expected: unknown, found: unknown): boolean {
  if (Object.is(expected, found)) return true;
  if (!isContainer(expected) || !isContainer(found)) return false;
  if (expected instanceof Uint8Array || Array.isArray(expected) !== Array.isArray(found)) {
    return firstDifference(expected, found) === undefined;
  }
  const keys = Object.keys(expected);
  const foundKeys = Object.keys(found);
  if (keys.length !== foundKeys.length) return false;
  return keys.every((key, index) => foundKeys[index] === key && isIdentical(expected[key], found[key]));
}

/** The path of the first object whose keys come in another order; only for values that are otherwise equal. */
export function firstReordering(expected: unknown, found: unknown, path = ""): string | undefined {
  if (!isContainer(expected) || !isContainer(found)) return undefined;
  if (expected instanceof Uint8Array) return undefined;
  const keys = Object.keys(expected);
  const foundKeys = Object.keys(found);
  for (const [index, key] of keys.entries()) {
    const at = path === "" ? key : `${path}.${key}`;
    if (foundKeys[index] !== key) return at;
    const inside = firstReordering(expected[key], found[key], at);
    if (inside !== undefined) return inside;
  }
  return undefined;
}

/** `leaf is "7.2" but "7.1" was sent`. Long texts are shown from where they part. */
export function describeDifference({ path, expected, found }: Difference): string {
  let start = 0;
  if (typeof expected === "string" && typeof found === "string") {
    while (start < expected.length && expected[start] === found[start]) start += 1;
    // Some context before it, unless all of it fits.
    start = Math.max(expected.length, found.length) <= SHOWN ? 0 : Math.max(0, start - 10);
  }
  const where = path === "" ? "it" : path;
  return `${where} is ${show(found, start)} but ${show(expected, start)} was sent`;
}

function show(value: unknown, start: number): string {
  if (value === undefined) return "absent";
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) {
    const digits = Buffer.from(value.subarray(0, 12)).toString("hex");
    return `${value.length} bytes ${digits}${value.length > 12 ? "…" : ""}`;
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an object of ${Object.keys(value).length} keys`;
  if (typeof value !== "string") return String(value);
  const piece = value.slice(start, start + SHOWN);
  const before = start > 0 ? "…" : "";
  return `${before}${JSON.stringify(piece)}${start + SHOWN < value.length ? "…" : ""}`;
}

function isContainer(value: unknown): value is { [key: string]: unknown } {
  return typeof value === "object" && value !== null;
}
