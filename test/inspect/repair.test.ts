/**
 * Repair over a list of damages: every kind of file, several places of each. A session that a host could still
 * read is in the new store as it was; one that it could not is at a state it once had, or is named as lost.
 */
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { openStore, openStoreReadOnly } from "../../src/index.ts";
import { logEntries } from "../../src/inspect/log-entries.ts";
import { isLossless, type RepairReport, repairStore } from "../../src/inspect/repair.ts";
import { verifyStore } from "../../src/inspect/verify.ts";
import { MemoryVfs } from "../../src/vfs/memory.ts";
import { append, chain, commit, meta, replaceFull, unchanged } from "../support/builders.ts";
import { nodeIds, refuses } from "../support/expect.ts";
import {
  BARE,
  type Damage,
  DELETED,
  damaged,
  everyDamage,
  filesOf,
  flipBit,
  NOTHING,
  OPTIONS,
  overwrite,
  ROOT,
  readAll,
  removed,
  SESSIONS,
  sample,
  turnOf,
  wholeOf,
} from "./damaged.ts";

const NEW = "/new";
/** Places of each file that are damaged in each way. */
const PLACES = Number(process.env.VARVE_REPAIR_PLACES ?? 8);

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
  for (const id of ["plain", "child"]) {
    const loss = report.losses.find(({ sessionId }) => sessionId === id);
    // Revision r of these has 2 × r nodes: what is not kept is counted.
    if (loss?.keptRevision === undefined) continue;
    const kept =
      /\[(.*)\]/
        .exec(String(after.get(id)))?.[1]
        ?.split(" ")
        .filter((node) => node !== "") ?? [];
    assert.equal(kept.length + loss.lostNodes, 2 * loss.keptRevision, `${told}: nodes of ${id}`);
    assert.equal(loss.lostRevisions?.first ?? 6, loss.keptRevision + 1, `${told}: revisions of ${id}`);
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

test("without any manifest the heads, packs and segments that lie there give everything back", async () => {
  const { files } = await sample();
  const report = await repair(await removed(...files.filter((path) => path.includes("/manifest-"))));
  assert.ok(isLossless(report), JSON.stringify(report));
});

test("sessions whose only heads are gone are lost by name, and one that began in the log is kept", async () => {
  const { files, history } = await sample();
  const damage = await removed(...files.filter((path) => path.endsWith(".heads")));
  const report = await repair(damage);
  assert.deepEqual(
    report.losses.map(({ sessionId, keptRevision, newestRevision }) => [
      sessionId,
      keptRevision,
      newestRevision,
    ]),
    // "edited" was replaced once more in round 3.
    [
      ["child", undefined, 5],
      ["edited", undefined, 6],
      ["plain", undefined, 5],
    ],
  );
  assert.equal((await readAll(damage.vfs, NEW)).get("late"), history.get("late")?.at(-1));
  // Whatever only heads knew of, the meta of "bare" among it, may have been in the records that are folded.
  assert.equal(report.lostLsns[0]?.first, 1);
});

test("a head that cannot be read falls back to the older generation and the log", async () => {
  const { files } = await sample();
  const newest = files.filter((path) => path.endsWith(".heads")).at(-1);
  assert.ok(newest);
  const report = await repair(await removed(newest));
  assert.ok(isLossless(report), JSON.stringify(report));
});

test("a lost commit costs its session the revisions behind it, and the others nothing", async () => {
  const { vfs, files } = await sample();
  const active = files.filter((path) => path.endsWith(".wal"))[1];
  assert.ok(active);
  const commitAt = [...logEntries(vfs, ROOT)].find(
    (entry) =>
      entry.kind === "frame" && entry.file === active && entry.session === "plain" && entry.revision === 4,
  );
  assert.ok(commitAt?.kind === "frame");
  // A bit of the payload: what it was can be told, and it is not used.
  const report = await repair(await flipBit(active, commitAt.offset + 60, 1));
  assert.deepEqual(
    report.losses.map(({ sessionId, keptRevision, lostRevisions }) => [
      sessionId,
      keptRevision,
      lostRevisions,
    ]),
    [["plain", 3, { first: 4, last: 5 }]],
  );
  assert.deepEqual(report.lostLsns, [
    {
      first: commitAt.lsn,
      last: commitAt.lsn,
      was: { record: "commit of revision 4", session: "plain", revision: 4 },
    },
  ]);
});

test("a deletion anywhere keeps its id deleted", async () => {
  const { files } = await sample();
  const damage = await removed(
    ...files.filter((path) => path.includes("/manifest-")),
    ...files.filter((path) => path.endsWith(".pack")),
  );
  const report = await repair(damage);
  assert.equal(report.deleted, 2);
  const store = await openStore(NEW, { ...OPTIONS, vfs: damage.vfs });
  for (const id of DELETED) await refuses(store.session(id).saveSessionMeta(meta(id)), "SESSION_DELETED");
  await store.close();
});

test("a store that is open is not repaired, and nothing is written", async () => {
  const vfs = new MemoryVfs({ crashable: false });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  for (const target of [NEW, undefined])
    await refuses(new Promise(() => repairStore(vfs, { source: ROOT, target })), "STORE_LOCKED", {
      owner: { pid: process.pid, host: hostname() },
    });
  assert.equal(vfs.stat(NEW), undefined);
  await store.close();
  assert.ok(isLossless(repairStore(vfs, { source: ROOT, target: NEW })));
});

test("a target that is not empty, or lies in the store, is refused", async () => {
  const { vfs } = await undamaged();
  const refusesTarget = (target: string) =>
    refuses(new Promise(() => repairStore(vfs, { source: ROOT, target })), "INVALID_ARGUMENT", {
      argument: "into",
    });
  vfs.makeDirectory("/full/of");
  for (const target of [ROOT, `${ROOT}/new`, "/full", `${ROOT}/format`]) await refusesTarget(target);
});

test("a dry run writes nothing and says the same", async () => {
  const { files } = await sample();
  const damage = await removed(...files.filter((path) => path.endsWith(".heads")));
  const before = contentOf(damage.vfs, "/");
  const dry = repairStore(damage.vfs, { source: ROOT, target: undefined });
  assert.deepEqual(contentOf(damage.vfs, "/"), before);
  const wet = repairStore(damage.vfs, { source: ROOT, target: NEW });
  assert.deepEqual([dry.losses, dry.lostLsns, dry.sessions], [wet.losses, wet.lostLsns, wet.sessions]);
});

test("a lost blob costs the revision that names it, and its receipt is forgotten with it", async () => {
  const { vfs } = await sample();
  const frames = [...logEntries(vfs, ROOT)].filter((entry) => entry.kind === "frame");
  const commitAt = frames.findIndex(({ session, revision }) => session === "plain" && revision === 5);
  const blob = frames[commitAt - 1];
  assert.ok(blob?.type === "blob");
  const damage = await damaged("the blob before it", blob.file, (copy) => {
    overwrite(copy, blob.file, new Uint8Array(blob.payloadBytes), blob.offset + 48);
  });
  const report = await repair(damage);
  const loss = report.losses.find(({ sessionId }) => sessionId === "plain");
  assert.deepEqual([loss?.keptRevision, loss?.lostRevisions], [4, { first: 5, last: 5 }]);
  const store = await openStore(NEW, { ...OPTIONS, vfs: damage.vfs });
  // Were its receipt kept, this would be answered as done.
  const again = await store.session("plain").commitRuntimeState(turnOf("plain", 5));
  assert.deepEqual([again.headRevision, again.replayed], [5, false]);
  await store.close();
});

test("behind a lost vacuum a replacement that names places is not believed", async () => {
  const vfs = new MemoryVfs({ crashable: false });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  const session = store.session("s");
  const nodes = chain("a", "b", "c", "d");
  await session.commitRuntimeState(commit({ sessionId: "s", graph: append(nodes, "d") }));
  await session.commitRuntimeState(commit({ sessionId: "s", graph: unchanged("a") }));
  await session.tombstoneNodes(["b", "c", "d"]);
  await session.vacuum();
  await session.commitRuntimeState(commit({ sessionId: "s", graph: append(chain("e", "f"), "f") }));
  const kept = [nodes[0], ...chain("e", "f")].filter((node) => node !== undefined);
  await session.commitRuntimeState(commit({ sessionId: "s", graph: replaceFull(kept.slice(0, 2), "e") }));
  await store.close();
  const vacuum = [...logEntries(vfs, ROOT)].find(
    (entry) => entry.kind === "frame" && entry.type === "vacuum",
  );
  assert.ok(vacuum?.kind === "frame");
  overwrite(vfs, vacuum.file, new Uint8Array(8), vacuum.offset + 8);
  const report = repairStore(vfs, { source: ROOT, target: NEW });
  assert.deepEqual(
    report.losses.map(({ keptRevision, lostRevisions, isBehindGap }) => [
      keptRevision,
      lostRevisions,
      isBehindGap,
    ]),
    [[3, { first: 4, last: 4 }, true]],
  );
  const view = await openStoreReadOnly(NEW, { vfs });
  assert.deepEqual(await nodeIds(view.session("s")), ["a", "e", "f"]);
  await view.close();
});

test("a group torn in its middle and never acknowledged is no loss, and nothing of it is kept", async () => {
  const vfs = new MemoryVfs({ crashable: true });
  const store = await openStore(ROOT, { ...OPTIONS, vfs });
  await store.session("first").saveSessionMeta(meta("first"));
  const group = ["one", "two", "three"].map((id) => store.session(id).saveSessionMeta(meta(id)));
  let left = vfs.crashKeepingEverything();
  const written = () =>
    [...logEntries(left, ROOT)].flatMap((entry) =>
      entry.kind === "frame" && entry.type === "meta" ? [entry] : [],
    );
  // Until the group is written; then it lies there before anybody was told.
  for (let turn = 0; turn < 100 && written().length < 4; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    left = vfs.crashKeepingEverything();
  }
  await Promise.all(group);
  await store.close();
  const [first, torn] = written();
  assert.ok(first !== undefined && torn !== undefined && written().length === 4);
  overwrite(left, torn.file, new Uint8Array(8), torn.offset + 8);
  // TAIL of before the group: its sync had not returned.
  overwrite(left, `${ROOT}/wal/TAIL`, new Uint8Array(8192), 0);
  const report = repairStore(left, { source: ROOT, target: NEW });
  assert.ok(isLossless(report), JSON.stringify(report));
  for (const root of [ROOT, NEW]) {
    const opened = await openStore(root, { ...OPTIONS, vfs: left });
    const there = ["first", "one", "two", "three"].map((id) => opened.session(id).loadSessionMeta());
    assert.deepEqual(
      (await Promise.all(there)).map((found) => found?.sessionId),
      ["first", undefined, undefined, undefined],
      root,
    );
    await opened.close();
  }
});
