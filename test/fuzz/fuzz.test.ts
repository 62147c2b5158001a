/**
 * Every decoder, on inputs that a seed makes from the golden stores: it answers or throws a typed error, takes no
 * more memory than its input allows, and ends. `npm run test:fuzz` does the same with new inputs, guided by
 * coverage, for as long as it is given; here is a fixed part, and that the guide leads somewhere.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Coverage } from "./coverage.ts";
import { Fuzzer, tryTarget } from "./fuzzer.ts";
import { makeTargets, type Target } from "./targets.ts";

/** Batches of 64 inputs. */
const BATCHES = Number(process.env.VARVE_FUZZ_BATCHES ?? 12);
const SEED = 20_261;

describe("fuzzed with bytes of stores that were changed at random", () => {
  for (const target of makeTargets()) {
    it(`the decoder of ${target.name} answers or refuses with a typed error`, () => {
      const fuzzer = new Fuzzer(target, SEED, undefined);
      for (let batch = 0; batch < BATCHES; batch++) fuzzer.runBatch(fuzzer.nextBatch());
      assert.deepEqual(
        fuzzer.findings.map(({ message }) => message),
        [],
      );
    });
  }
});

/** Bytes that are each only looked at when the one before is right: a blind search would take very long. */
function lock(input: Buffer): void {
  if (input[0] === 0x56) {
    if (input[1] === 0x52) throw new TypeError("opened");
  }
}

describe("the fuzzer", () => {
  it("is led by coverage to what needs several right bytes in a row, and saves the input", () => {
    const coverage = new Coverage((url) => url.endsWith("/fuzz.test.ts"));
    const target: Target = { name: "lock", seeds: [Buffer.alloc(3)], run: lock };
    const fuzzer = new Fuzzer(target, SEED, coverage);
    for (let batch = 0; batch < 4000 && fuzzer.findings.length === 0; batch++)
      fuzzer.runBatch(fuzzer.nextBatch());
    coverage.stop();
    const [finding] = fuzzer.findings;
    assert.ok(finding, `nothing found in ${fuzzer.inputs} inputs`);
    assert.equal(tryTarget(target, finding.input)?.message, "opened");
  });

  it("calls a buffer that is far larger than its input a finding, also where the error is caught", () => {
    const run = (): void => {
      try {
        Buffer.alloc(512 * 1024 * 1024);
      } catch {
        // As a decoder that takes every failure for damage.
      }
    };
    assert.match(
      tryTarget({ name: "greedy", seeds: [], run }, Buffer.alloc(3))?.message ?? "",
      /takes 536870912 bytes/,
    );
  });

  it("takes what is not a store's error for a finding", () => {
    const run = (): void => {
      throw new RangeError("index out of range");
    };
    assert.equal(
      tryTarget({ name: "plain", seeds: [], run }, Buffer.alloc(1))?.message,
      "index out of range",
    );
  });
});
