/**
 * Seeds that failed once, each with its story. A seed says the same only as long as what it draws stays the
 * same, so each story also has a test of its own, named beside it; here the seeds themselves go on holding.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "./simulate.ts";

const STORIES: readonly (readonly [seed: number, story: string])[] = [
  // test/wal/unproven-link.test.ts
  [210, "a write that failed half way, a reopening and a power cut leave a store that opens"],
  // test/actors/directory.test.ts: a format that a killed creation left unsynced …
  [
    320,
    "a creation killed before it synced its format, and a power cut much later, leave a store that opens",
  ],
  // test/wal/failure.test.ts: a close that fails …
  [54, "an opening that fails while its log is being closed leaves no file open"],
  [253, "a roll whose old segment fails to close leaves no file open"],
];

for (const [seed, story] of STORIES) {
  test(`seed ${seed}: ${story}`, async () => {
    const { broken } = await simulate(seed);
    assert.deepEqual(broken, [], `replay: npm run test:simulation -- --seed ${seed}`);
  });
}
