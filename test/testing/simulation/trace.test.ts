/** Two runs are compared by the digest of their traces: equal lines and nothing else make it equal. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Trace } from "../../../src/testing/simulation/trace.ts";

function traceOf(...lines: string[]): Trace {
  const trace = new Trace();
  for (const line of lines) trace.add(line);
  return trace;
}

test("equal lines have equal digests; another line, order or number of lines has another", () => {
  const { digest } = { digest: traceOf("a", "b").digest() };
  assert.equal(traceOf("a", "b").digest(), digest);
  for (const lines of [["a"], ["b", "a"], ["a", "b", ""], ["ab"], ["a", "c"]])
    assert.notEqual(traceOf(...lines).digest(), digest, lines.join("|"));
});

test("a digest may be asked for on the way and changes nothing", () => {
  const trace = traceOf("a");
  trace.digest();
  trace.add("b");
  assert.equal(trace.digest(), traceOf("a", "b").digest());
  assert.equal(trace.lines, 2);
});

test("a listener hears every line, and listening changes nothing", () => {
  const heard: string[] = [];
  const trace = new Trace((line) => heard.push(line));
  trace.add("a");
  trace.add("b");
  assert.deepEqual(heard, ["a", "b"]);
  assert.equal(trace.digest(), traceOf("a", "b").digest());
});
