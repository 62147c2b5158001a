/** Arbitrary values that may be stored, for property tests, and the value a read must give. */
import fc from "fast-check";

/** Arbitrary values of the contract, awkward ones often. */
export const payloads = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, -0, 0, 2 ** 32, 2 ** 53 - 1, -(2 ** 31) - 1, 1e300, Number.MIN_VALUE),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.string({ unit: "binary" }),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
      .map((units) => String.fromCharCode(...units)),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 70 }),
    fc
      .array(
        fc.tuple(
          fc.oneof(fc.string(), fc.constantFrom("__proto__", "$v", "1", "0", "constructor", "\ud800", "")),
          tie("value"),
        ),
      )
      .map((members) => {
        const map = {};
        for (const [key, value] of members) {
          Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
        }
        return map;
      }),
  ),
})).value;

/** The value a read must give: -0 is 0. Independent of the code under test. */
export function normal(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(normal);
  const map = {};
  for (const key of Object.keys(value)) {
    Object.defineProperty(map, key, {
      value: normal((value as Record<string, unknown>)[key]),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return map;
}
