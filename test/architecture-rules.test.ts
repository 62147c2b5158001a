/**
 * The planted breaks of `test/rules/` and `test/bugs.json` fit the source as it is, and the table of bugs tells
 * of all. Whether they are met, `npm run rules` and `npm run bugs` prove.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { checkBugs, isUpToDate, loadBugs, TABLE } from "../scripts/bugs/entries.ts";
import { checkEntries, loadRules } from "../scripts/rules/entries.ts";

test("every planted break changes exactly one place of the source, and no rule is told twice", () => {
  assert.deepEqual(checkEntries(loadRules()), []);
});

test("every planted bug changes exactly one place of the source, and names a suite that is there", () => {
  assert.deepEqual(checkBugs(loadBugs()), []);
});

test("the table of planted bugs has every bug, with the test that caught it", () => {
  assert.ok(isUpToDate(readFileSync(TABLE, "utf8"), loadBugs()), "npm run bugs -- --write");
});
