/**
 * Random steps of a history: what many callers do to a store at once. Steps only; `random-history.ts` plays
 * them. It needs fast-check, which shrinks a failing history to the steps that matter.
 */
import fc from "fast-check";

export const SESSIONS = ["one", "two", "three"] as const;

const arbitraryCommit = fc.record({
  kind: fc.constant("commit" as const),
  session: fc.constantFrom(...SESSIONS),
  delta: fc.constantFrom(
    "append" as const,
    "append" as const,
    "append" as const,
    "unchanged" as const,
    "replace" as const,
  ),
  count: fc.integer({ min: 0, max: 3 }),
  /** Picks among the ids the session has ever used. */
  pick: fc.nat(30),
  leaf: fc.constantFrom("last" as const, "last" as const, "pick" as const, "none" as const),
  collide: fc.integer({ min: 0, max: 9 }),
  tool: fc.option(fc.nat(3), { nil: undefined }),
  input: fc.nat(3),
  model: fc.constantFrom("m1", "m2", "m3"),
  expect: fc.constantFrom("none" as const, "right" as const, "right" as const, "wrong" as const),
  operation: fc.option(fc.nat(5), { nil: undefined }),
});
export type CommitStep = typeof arbitraryCommit extends fc.Arbitrary<infer Step> ? Step : never;

const session = fc.constantFrom(...SESSIONS);
export const arbitraryStep = fc.oneof(
  { weight: 12, arbitrary: arbitraryCommit },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("retry" as const), session, pick: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("tombstone" as const),
      session,
      picks: fc.array(fc.nat(30), { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("vacuum" as const), session }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("meta" as const), session, name: fc.nat(9) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      session,
      path: fc.constantFrom("whole" as const, "active" as const, "changes" as const),
      /** Picks the state of which a copy is brought up to date. */
      pick: fc.nat(30),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("snapshot" as const, "gc" as const, "list" as const) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("pause" as const), turns: fc.integer({ min: 1, max: 20 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("settle" as const, "reopen" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      session: fc.constant("three" as const),
      really: fc.nat(4),
    }),
  },
);
export type Step = typeof arbitraryStep extends fc.Arbitrary<infer Any> ? Any : never;
