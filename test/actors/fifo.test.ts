/** A queue that is cut while it is used keeps order and loses nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fifo } from "../../src/actors/fifo.ts";

test("items come out in the order they went in, whatever is pushed and taken in between", () => {
  const step = fc.oneof(
    fc.nat(3000).map((count) => ({ push: count })),
    fc.nat(3000).map((count) => ({ take: count })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const fifo = new Fifo<number>();
      let pushed = 0;
      let taken = 0;
      for (const one of steps) {
        if ("push" in one) {
          for (let i = 0; i < one.push; i++) fifo.push(pushed++);
          continue;
        }
        for (let i = 0; i < one.take && taken < pushed; i++) {
          assert.equal(fifo.peek(), taken);
          assert.equal(fifo.shift(), taken++);
        }
        assert.equal(fifo.isEmpty, taken === pushed);
      }
      const rest = Array.from({ length: pushed - taken }, (_, i) => taken + i);
      assert.deepEqual(fifo.takeAll(), rest);
      assert.deepEqual([fifo.isEmpty, fifo.peek(), fifo.shift()], [true, undefined, undefined]);
    }),
  );
});
