/**
 * Asks a damaged store everything, as its owner and read-only, and compares every answer with what the
 * undamaged one said. An answer is the same data or a typed refusal that names the damaged file; anything
 * else fails here. Which refusals are right for a damage is its rule (`store-map.ts`).
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { ReadOnlyStore, Store, VerifyReport } from "../../src/contract.ts";
import { isStoreError, type StoreError } from "../../src/errors.ts";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import type { ImageVfs } from "../support/image-vfs.ts";
import { ROOT, SESSIONS, STORE_OPTIONS } from "./store-image.ts";
import { LISTING, type Rule } from "./store-map.ts";

type Asked = Pick<Store & ReadOnlyStore, "listSessions"> & {
  session(
    id: string,
  ): Pick<ReturnType<ReadOnlyStore["session"]>, "loadSession" | "loadSessionMeta" | "loadNode">;
};

/** Whatever a store says, by question. */
export type Answers = ReadonlyMap<string, unknown>;

/** What the damage did: for the table of a run. */
export type Outcome = "harmless" | "sessions refused" | "store refused";

async function answersOf(store: Asked): Promise<Map<string, unknown>> {
  const answers = new Map<string, unknown>();
  for (const id of SESSIONS) answers.set(id, await answerOf(() => sessionOf(store, id)));
  answers.set(LISTING, await answerOf(() => listingOf(store)));
  return answers;
}

async function sessionOf(store: Asked, id: string): Promise<unknown> {
  const session = store.session(id);
  return [await session.loadSession(), await session.loadSessionMeta(), await session.loadNode("side-1")];
}

async function listingOf(store: Asked): Promise<unknown> {
  const entries: unknown[] = [];
  for await (const entry of store.listSessions({ includeChildren: true })) entries.push(entry);
  return entries;
}

async function answerOf(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask();
  } catch (error) {
    return error;
  }
}

/** What the undamaged store says, and what a view of it says that has no TAIL. */
export interface Expected {
  readonly answers: Answers;
  readonly unproven: Answers;
}

export async function undamaged(images: ImageVfs): Promise<Expected> {
  const withoutTail = images.fork();
  withoutTail.remove(`${ROOT}/wal/TAIL`);
  return { answers: await viewed(images), unproven: await viewed(withoutTail) };
}

async function viewed(images: ImageVfs): Promise<Answers> {
  const store = await openStoreReadOnly(ROOT, { vfs: images });
  const answers = await answersOf(store);
  await store.close();
  for (const [question, answer] of answers) assert.ok(!(answer instanceof Error), `${question}: ${answer}`);
  return answers;
}

export interface Damaged {
  readonly images: ImageVfs;
  readonly rule: Rule;
  /** Paths that a refusal may name. */
  readonly files: readonly string[];
  readonly told: string;
}

/** Opens as owner and read-only, asks everything, verifies. Throws for an answer that the rule does not allow. */
export async function check(expected: Expected, damaged: Damaged): Promise<Outcome> {
  const asOwner = await checkOpened([expected.answers], damaged, "owner", () =>
    openStore(ROOT, { ...STORE_OPTIONS, vfs: damaged.images.fork() }),
  );
  const seen = damaged.rule.unproven ? [expected.answers, expected.unproven] : [expected.answers];
  const readOnly = await checkOpened(seen, damaged, "read-only", () =>
    openStoreReadOnly(ROOT, { vfs: damaged.images }),
  );
  assert.equal(asOwner, readOnly, `${damaged.told}: as owner and read-only it is the same`);
  return asOwner;
}

/** `expected`: what it may say, as a whole. */
export async function checkOpened(
  expected: readonly Answers[],
  { rule, files, told }: Omit<Damaged, "images">,
  who: string,
  open: () => Promise<Store | ReadOnlyStore>,
): Promise<Outcome> {
  const opened = await answerOf(open);
  if (opened instanceof Error) {
    assertNamed(opened, files, `${told}, ${who}`);
    assert.notEqual(rule.store, "never", `${told}, ${who}: refused for harmless damage: ${opened.message}`);
    return "store refused";
  }
  const store = opened as Store | ReadOnlyStore;
  assert.notEqual(rule.store, "must", `${told}, ${who}: opened`);
  const answers = await answersOf(store);
  const meant = expected.find((one) => isDeepStrictEqual(one, answers)) ?? expected[0];
  assert.ok(meant);
  const refused = compare(meant, answers, { rule, files, told: `${told}, ${who}` });
  if (who !== "owner") checkVerify(await answerOf(() => store.verify()), { rule, files, told }, refused);
  await store.close();
  return refused.length > 0 ? "sessions refused" : "harmless";
}

/** Questions that were refused; all others must be answered as expected. */
function compare(
  expected: Answers,
  answers: Answers,
  { rule, files, told }: Omit<Damaged, "images">,
): string[] {
  const refused: string[] = [];
  for (const [question, answer] of answers) {
    if (isDeepStrictEqual(answer, expected.get(question))) continue;
    if (!(answer instanceof Error)) assert.deepEqual(answer, expected.get(question), `${told}: ${question}`);
    assertNamed(answer, files, `${told}: ${question}`);
    refused.push(question);
    if (question === LISTING) {
      assert.ok(rule.listing, `${told}: the listing is refused: ${String(answer)}`);
    } else {
      assert.ok(rule.sessions.has(question), `${told}: ${question} is refused: ${String(answer)}`);
      assert.ok(isStoreError(answer, "CORRUPT"));
      assert.equal(answer.sessionId, question, `${told}: ${question} is named`);
    }
  }
  return refused;
}

function checkVerify(
  answer: unknown,
  { rule, files, told }: Omit<Damaged, "images">,
  refused: readonly string[],
): void {
  if (answer instanceof Error) return assertNamed(answer, files, `${told}, verify`);
  const { ok, problems } = answer as VerifyReport;
  assert.equal(ok, problems.length === 0);
  if (rule.found || refused.length > 0) assert.ok(!ok, `${told}: verify finds nothing`);
  else assert.deepEqual(problems, [], `${told}: verify`);
  for (const { code, file, message } of problems) {
    assert.equal(code, "CORRUPT", `${told}: ${message}`);
    assert.ok(files.includes(file), `${told}: verify names ${file}: ${message}`);
  }
}

const REFUSALS = ["CORRUPT", "FORMAT_UNSUPPORTED", "NOT_A_STORE"];

/** A typed refusal of damage that says where and what. */
export function assertNamed(
  error: unknown,
  files: readonly string[],
  told: string,
): asserts error is StoreError {
  assert.ok(isStoreError(error), `${told}: ${String(error)}`);
  assert.ok(REFUSALS.includes(error.code), `${told}: ${error.code} ${error.message}`);
  if (error.code === "CORRUPT")
    return assert.ok(files.includes(error.file), `${told}: names ${error.file}: ${error.message}`);
  const named = files.some((file) => error.message.includes(file));
  assert.ok(named, `${told}: names none of ${files.join()}: ${error.message}`);
}
