/**
 * Repair over a list of damages: every kind of file, several places of each. A session that a host could still
 * read is in the new store as it was; one that it could not is at a state it once had, or is named as lost.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../src/index.ts";
import { isLossless, type RepairReport, repairStore } from "../../src/inspect/repair.ts";
import { verifyStore } from "../../src/inspect/verify.ts";
import { refuses } from "../support/expect.ts";
import {
  BARE,
  type Damage,
  DELETED,
  everyDamage,
  filesOf,
  NOTHING,
  OPTIONS,
  ROOT,
  readAll,
  SESSIONS,
  sample,
  turnOf,
  wholeOf,
} from "./damaged.ts";

const NEW = "/new";
/** Places of each file that are damaged in each way. */
const PLACES = Number(process.env.VARVE_REPAIR_PLACES ?? 12);

/** Repairs the damaged store, and holds the result to what is promised. */
async function repair({ told, vfs }: Damage): Promise<RepairReport> {
  const { history } = await sample();
  const before = await readAll(vfs, ROOT);
  const source = contentOf(vfs, ROOT);
  let report: RepairReport;
  try {
    report = repairStore(vfs, { source: ROOT, target: NEW });
  } catch (error) {
    throw new Error(told, { cause: error });
  }
  assert.deepEqual(contentOf(vfs, ROOT), source, `${told}: the source was written to`);
  assert.deepEqual(verifyStore(vfs, NEW, { deep: true }).findings, [], told);
  const after = await readAll(vfs, NEW);
  for (const id of [...SESSIONS, BARE]) {
    const loss = report.losses.find(({ sessionId }) => sessionId === id);
    const states = history.get(id) ?? [];
    const kept = after.get(id);
    const naive = before.get(id);
    if (typeof naive === "string" && naive !== NOTHING)
      assert.equal(kept, naive, `${told}: a host could read ${id}`);
    if (loss === undefined && report.lostLsns.length === 0)
      assert.equal(kept, states.at(-1), `${told}: ${id} lost unsaid`);
    else if (loss?.keptRevision === undefined && kept === NOTHING)
      assert.ok(loss !== undefined || report.lostLsns.length > 0, `${told}: ${id} vanished unsaid`);
    else if (loss === undefined || (loss.lostNodes + loss.lostBlobs.length === 0 && !loss.isBehindGap))
      assert.ok(states.includes(String(kept)), `${told}: ${id} never was so`);
  }
  return report;
}

function contentOf(vfs: Damage["vfs"], directory: string): Map<string, string> {
  return new Map(
    filesOf(vfs, directory).map((path) => [path, Buffer.from(wholeOf(vfs, path)).toString("base64")]),
  );
}

async function undamaged(): Promise<Damage> {
  return { told: "no damage", path: "", vfs: (await sample()).vfs.crashKeepingEverything() };
}

test("a store without damage is copied whole, and nothing is lost", async () => {
  const { history } = await sample();
  const damage = await undamaged();
  const report = await repair(damage);
  assert.ok(isLossless(report), JSON.stringify(report));
  const after = await readAll(damage.vfs, NEW);
  for (const [id, states] of history) assert.equal(after.get(id), states.at(-1), id);
});

test("a repaired store keeps listing order, receipts, deletions and tombstones", async () => {
  const damage = await undamaged();
  const listed = async (root: string) => {
    const store = await openStore(root, { ...OPTIONS, vfs: damage.vfs.crashKeepingEverything() });
    const ids: string[] = [];
    for await (const { sessionId } of store.listSessions({ includeChildren: true })) ids.push(sessionId);
    await store.close();
    return ids;
  };
  await repair(damage);
  assert.deepEqual(await listed(NEW), await listed(ROOT));
  const store = await openStore(NEW, { ...OPTIONS, vfs: damage.vfs });
  const replayed = await store.session("plain").commitRuntimeState(turnOf("plain", 2));
  assert.deepEqual([replayed.replayed, replayed.headRevision], [true, 2]);
  for (const id of DELETED)
    await refuses(
      store.session(id).saveSessionMeta({ sessionId: id, sessionName: "", createdAt: "", model: "" }),
      "SESSION_DELETED",
    );
  // Round 5 hid x5 and did not vacuum: it stays hidden, and can be vacuumed.
  assert.equal(await store.session("edited").loadNode("x5"), undefined);
  assert.deepEqual(await store.session("edited").vacuum(), { removedNodeCount: 1 });
  const next = await store.session("plain").commitRuntimeState(turnOf("plain", 6));
  assert.equal(next.headRevision, 6);
  await store.snapshot();
  assert.deepEqual(await store.verify(), { ok: true, problems: [] });
  await store.close();
});

test("every damage leaves what a host could read, and what is lost is said", async () => {
  let lossless = 0;
  let lossy = 0;
  for await (const damage of everyDamage(PLACES)) {
    const report = await repair(damage);
    if (isLossless(report)) lossless++;
    else lossy++;
  }
  assert.ok(lossless > 0 && lossy > 0, `${lossless} without and ${lossy} with losses`);
});
