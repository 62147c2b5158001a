/** Who sheds what, and in which order, of sessions that are given by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionCell } from "../../src/actors/session.ts";
import { Shedding } from "../../src/actors/shedding.ts";
import { ENTRIES_SHED_PER_TURN, KIB } from "../../src/limits.ts";

/** Bytes of bodies that are worth it, and of entries. */
const WORTH = 128 * KIB;
const LEAST = 8 * KIB;

/** Sessions of so many bytes of bodies and of entries, and so many entries, by name; and what was shed, in order. */
function shedding(
  sizes: Readonly<Record<string, readonly [bodies: number, entryBytes: number, entries?: number]>>,
  budget = 64 * WORTH,
) {
  const shed: string[] = [];
  const cells = new Map<SessionCell, string>();
  const all = new Shedding(budget);
  for (const [name, [bodies, entryBytes, entries = 5]] of Object.entries(sizes)) {
    let left = entries;
    const nodes = {
      sheddableBytes: bodies,
      sheddableEntryBytes: entryBytes,
      shed: (length: number) => void shed.push(`bodies of ${name} to ${length}`),
      shedEntries: (length: number, most: number) => {
        const count = Math.min(left, most);
        left -= count;
        shed.push(`${count} entries of ${name} to ${length}`);
        return count;
      },
    };
    const cell = { loaded: { nodes, length: 5 }, isDeciding: false } as unknown as SessionCell;
    cells.set(cell, name);
    all.look(cell);
  }
  const cell = (name: string) =>
    [...cells].find(([, each]) => each === name)?.[0] ?? assert.fail(`no session ${name}`);
  const run = (times: number, counts: (name: string) => boolean = () => true) => {
    let told = 0;
    const { sessions, goesOn } = all.run(
      () => told === times,
      (each) => {
        told++;
        return counts(cells.get(each) ?? "");
      },
    );
    return { sessions, goesOn, shed: shed.splice(0) };
  };
  return { all, cell, run };
}

const BOTH = { a: [WORTH, LEAST], b: [WORTH, 0], c: [0, LEAST] } as const;

test("bodies go before entries, those of the oldest first, and nothing goes twice", () => {
  const { run } = shedding(BOTH);
  assert.deepEqual(run(9).shed, [
    "bodies of a to 5",
    "bodies of b to 5",
    "5 entries of a to 5",
    "5 entries of c to 5",
  ]);
  assert.deepEqual(run(9), { sessions: 0, goesOn: false, shed: [] });
});

test("it ends when it is enough, and counts the sessions that have less", () => {
  const { run } = shedding(BOTH);
  assert.deepEqual(run(0), { sessions: 0, goesOn: false, shed: [] });
  assert.deepEqual(run(1), { sessions: 1, goesOn: false, shed: ["bodies of a to 5"] });
  const { sessions, shed } = run(2, (name) => name !== "b");
  assert.deepEqual({ sessions, shed }, { sessions: 1, shed: ["bodies of b to 5", "5 entries of a to 5"] });
});

test("what is used goes last, and what has little or left memory not at all", () => {
  const { all, cell, run } = shedding({ ...BOTH, little: [WORTH - 1, LEAST - 1], left: [WORTH, WORTH] });
  all.used(cell("a"));
  all.used(cell("little"));
  all.delete(cell("left"));
  assert.deepEqual(run(9).shed, [
    "bodies of b to 5",
    "bodies of a to 5",
    "5 entries of c to 5",
    "5 entries of a to 5",
  ]);
});

test("of a small budget a small part is worth the work", () => {
  const { run } = shedding({ a: [100, 99], b: [99, 100] }, 1_600);
  assert.deepEqual(run(9).shed, ["bodies of a to 5", "5 entries of b to 5"]);
});

test("a turn lets go of so many entries, and says that there are more", () => {
  const many = ENTRIES_SHED_PER_TURN - 1;
  const { run } = shedding({ a: [0, LEAST, many], b: [0, LEAST, many], c: [WORTH, LEAST, 1] });
  const first = [`${many} entries of a to 5`, "1 entries of b to 5"];
  assert.deepEqual(run(9), { sessions: 3, goesOn: true, shed: ["bodies of c to 5", ...first] });
  const second = [`${many - 1} entries of b to 5`, "1 entries of c to 5"];
  assert.deepEqual(run(9), { sessions: 2, goesOn: false, shed: second });
});

test("a session that is not loaded has nothing to shed", () => {
  const { all, run } = shedding({});
  all.look({ loaded: undefined } as unknown as SessionCell);
  assert.deepEqual(run(1), { sessions: 0, goesOn: false, shed: [] });
});
