/**
 * Every place of the code that touches the disk fails, once and for good, in one life of a whole store: opening
 * after a kill, commits with blobs, rolls, snapshots, a gc, deletions, listings, sessions that leave memory and
 * come back, verify, close. Each failure surfaces as an error that its caller may get and no other, reads go on
 * where the disk still reads, nothing is synced twice, and after crashes and reopening the history holds.
 *
 * Here each place fails in its first turn; with VARVE_FAULTS=all every turn of every operation does, with every
 * errno (minutes).
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { isStoreError } from "../../src/errors.ts";
import { openStoreReadOnly } from "../../src/index.ts";
import { type FaultErrno, type FaultSpec, LYING_SYNC, withFaults } from "../../src/vfs/fault.ts";
import { type Base, FaultRun, listSites, makeBase, type Site } from "./fault-runs.ts";

const IS_ALL = process.env.VARVE_FAULTS === "all";
const EVERY_ERRNO: readonly FaultErrno[] = ["EIO", "ENOSPC", "EDQUOT", "EMFILE", "EROFS"];
/** What such an operation meets in the world. */
const ERRNOS: Partial<Record<Site["operation"], readonly FaultErrno[]>> = {
  write: ["EIO", "ENOSPC", "ESHORT"],
  open: ["EMFILE", "EROFS"],
  truncate: ["EDQUOT"],
};
const OPERATIONS = [
  "open",
  "read",
  "write",
  "datasync",
  "sync",
  "syncDirectory",
  "rename",
  "remove",
  "truncate",
  "stat",
  "list",
  "close",
  "lock",
  "fileSystem",
] as const;

let base: Base;
let sites: readonly Site[];

before(async () => {
  base = await makeBase();
  sites = await listSites(base);
});

/** The turns of an operation that are failed: each place once, or all. */
function turnsOf(operation: Site["operation"]): Site[] {
  const places = new Set<string>();
  return sites.filter((site) => {
    if (site.operation !== operation || (!IS_ALL && places.has(site.place))) return false;
    places.add(site.place);
    return true;
  });
}

async function fail(spec: FaultSpec, place: string): Promise<void> {
  const run = new FaultRun(base, spec);
  try {
    await run.live();
  } catch (cause) {
    throw new Error(`${spec.operation} #${spec.nth} ${spec.times} ${spec.errno}: ${place}`, { cause });
  }
  assert.ok(run.vfs.fired.length > 0, `${spec.operation} #${spec.nth} never happened`);
}

for (const operation of OPERATIONS) {
  test(`a disk that fails at a ${operation}, wherever it comes from: the right errors, and nothing lost`, async () => {
    const turns = turnsOf(operation);
    assert.ok(turns.length > 0, `${operation} never happens`);
    const short = operation === "write" ? (["ESHORT"] as const) : [];
    const errnos = IS_ALL ? [...EVERY_ERRNO, ...short] : (ERRNOS[operation] ?? ["EIO"]);
    for (const { nth, place } of turns) {
      for (const errno of errnos) {
        for (const times of ["once", "forever"] as const) await fail({ operation, errno, nth, times }, place);
      }
    }
  });
}

for (const operation of ["datasync", "sync", "syncDirectory"] as const) {
  test(`a ${operation} that lies and a power cut: an older state or a refusal by name, never other data`, async () => {
    for (const { nth, place } of turnsOf(operation)) {
      for (const times of ["once", "forever"] as const)
        await fail({ operation, errno: LYING_SYNC, nth, times }, place);
    }
  });
}

test("a disk that fails under a read-only view at any turn: the same data or STORE_IO, and not one byte written", async () => {
  const ids = ["root", "other"];
  const whole = await openStoreReadOnly("/store", { vfs: base.vfs });
  const expected = new Map<string, unknown>();
  for (const id of ids) expected.set(id, await whole.session(id).loadSession());
  await whole.close();
  const isOwn = (error: unknown): boolean => isStoreError(error, "STORE_IO");
  for (let nth = 1, fired = 1; fired > 0; nth++) {
    for (const errno of ["EIO", "EMFILE"] as const) {
      const vfs = withFaults(base.vfs, [{ operation: "any", errno, nth }]);
      base.vfs.onOperation = ({ operation, path }) => assert.fail(`a view does ${operation} of ${path}`);
      const told = `#${nth} ${errno}`;
      try {
        const view = await openStoreReadOnly("/store", { vfs });
        for (const id of [...ids, ...ids]) {
          const answer = await view
            .session(id)
            .loadSession()
            .catch((error: unknown) => error);
          if (answer instanceof Error) assert.ok(isOwn(answer), `${told}: ${answer}`);
          else assert.deepEqual(answer, expected.get(id), told);
        }
        // The fault is over: everything is there.
        for (const id of ids) assert.deepEqual(await view.session(id).loadSession(), expected.get(id), told);
        await view.close();
      } catch (error) {
        assert.ok(isOwn(error), `${told}: ${String(error)}`);
      } finally {
        base.vfs.onOperation = undefined;
      }
      fired = vfs.fired.length;
    }
  }
});
