/** The planted breaks of `test/rules/` fit the source as it is. Whether they are met, `npm run rules` proves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkEntries, loadRules } from "../scripts/rules/entries.ts";

test("every planted break changes exactly one place of the source, and no rule is told twice", () => {
  assert.deepEqual(checkEntries(loadRules()), []);
});
