/** Laws of errors: codes, retry, fields, and that an error is recognised wherever it comes from. */
import assert from "node:assert/strict";
import { isStoreError, STORE_ERRORS, type StoreError } from "../../errors.ts";
import { commit } from "./builders.ts";
import { refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

/** The advice of each code, by hand. */
const RETRY = {
  INVALID_ARGUMENT: "never",
  INVALID_OPTION: "never",
  INVALID_COMMIT: "never",
  INVALID_GRAPH: "never",
  NODE_ID_COLLISION: "never",
  NODE_IN_USE: "reload",
  SESSION_BINDING_MISMATCH: "never",
  SESSION_DELETED: "never",
  OPERATION_CONFLICT: "never",
  HEAD_REVISION_CONFLICT: "reload",
  BLOB_MISSING: "reload",
  USAGE_OVERFLOW: "never",
  UNSUPPORTED_READ_SCOPE: "never",
  REVISION_UNKNOWN: "reload",
  HISTORY_GONE: "reload",
  PARTIAL_GRAPH: "never",
  STORE_LOCKED: "same",
  NOT_A_STORE: "never",
  FORMAT_UNSUPPORTED: "never",
  UNSAFE_FILE_SYSTEM: "never",
  STORE_CLOSED: "reopen",
  STORE_POISONED: "reopen",
  STORE_FULL: "same",
  STORE_BUSY: "same",
  STORE_IO: "reopen",
  COMMIT_OUTCOME_UNKNOWN: "reopen",
  CORRUPT: "never",
  VIEW_EXPIRED: "reopen",
  READ_ONLY: "never",
  ABORTED: "never",
  INTERNAL: "never",
};

export const errorLaws: Area = ({ law }) => {
  law("every code has its advice and a meaning", () => {
    const table = Object.entries(STORE_ERRORS).map(([code, { retry }]) => [code, retry]);
    assert.deepEqual(Object.fromEntries(table), RETRY);
    for (const { meaning } of Object.values(STORE_ERRORS)) assert.match(meaning, /^[A-Z].*\.$/);
    return Promise.resolve();
  });

  law("an error has name, code, retry, message and its code's fields", async (fixture) => {
    const error = await refuses(
      fixture.session().commitRuntimeState(commit({ expectedHeadRevision: 3 })),
      "HEAD_REVISION_CONFLICT",
    );
    assert.ok(error instanceof Error);
    assert.equal(error.name, "StoreError");
    assert.ok(error.code === "HEAD_REVISION_CONFLICT");
    assert.deepEqual([error.retry, error.expected, error.actual], ["reload", 3, 0]);
    assert.match(error.message, /3/);
    assert.match(String(error.stack), /StoreError|HEAD_REVISION_CONFLICT|revision/);
  });

  law("isStoreError narrows by code and refuses everything else", async (fixture) => {
    const error = await refuses(fixture.session().loadNode(""), "INVALID_ARGUMENT");
    assert.equal(isStoreError(error), true);
    assert.equal(isStoreError(error, "INVALID_ARGUMENT"), true);
    assert.equal(isStoreError(error, "CORRUPT"), false);
    for (const value of [
      undefined,
      null,
      "INVALID_ARGUMENT",
      5,
      {},
      new Error("x"),
      { code: "INVALID_ARGUMENT" },
    ]) {
      assert.equal(isStoreError(value), false);
    }
  });

  law(
    "isStoreError knows copies: from JSON, as plain data and from another copy of the package",
    async (fixture) => {
      const error = await refuses(fixture.session().loadNode(""), "INVALID_ARGUMENT");
      const copies: unknown[] = [
        JSON.parse(JSON.stringify(error)),
        structuredClone({ ...error }),
        Object.assign(new Error(error.message), { ...error }),
      ];
      for (const copy of copies) {
        assert.equal(isStoreError(copy, "INVALID_ARGUMENT"), true);
        assert.equal((copy as StoreError).retry, "never");
      }
      // As source in the repository, compiled in the package.
      const [extension] = /\.[jt]s$/.exec(import.meta.url) ?? [".js"];
      const another = `${new URL(`../../errors${extension}`, import.meta.url).href}?another-copy`;
      const loaded = (await import(another)) as { isStoreError(value: unknown): boolean };
      assert.notEqual(loaded.isStoreError, isStoreError);
      assert.equal(loaded.isStoreError(error), true);
    },
  );
};
