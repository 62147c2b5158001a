/** The peers that can make a commit durable, as entries of a bench, with those that are absent in words. */
import { level, loadLevel } from "../subjects/level.ts";
import { lmdb, loadLmdb } from "../subjects/lmdb.ts";
import { loadSqlite, sqlite } from "../subjects/sqlite.ts";
import type { Entry } from "./committers.ts";

export type PeerName = "sqliteFull" | "sqliteNormal" | "lmdb" | "level";

export async function commitPeers(
  wanted: readonly PeerName[],
): Promise<{ entries: Entry[]; absent: string[] }> {
  const entries: Entry[] = [];
  const absent = new Set<string>();
  for (const name of wanted) {
    const peer = await OPENERS[name]();
    if (typeof peer === "string") absent.add(peer);
    else entries.push(peer);
  }
  return { entries, absent: [...absent] };
}

const OPENERS: Readonly<Record<PeerName, () => Promise<Entry | string>>> = {
  sqliteFull: () => openSqlite("FULL"),
  sqliteNormal: () => openSqlite("NORMAL"),
  lmdb: async () => {
    const peer = await loadLmdb();
    return "absent" in peer ? peer.absent : { open: lmdb(peer.module) };
  },
  level: async () => {
    const peer = await loadLevel();
    return "absent" in peer ? peer.absent : { open: level(peer.module) };
  },
};

async function openSqlite(synchronous: "FULL" | "NORMAL"): Promise<Entry | string> {
  const peer = await loadSqlite();
  return "absent" in peer ? peer.absent : { open: sqlite(peer.module, synchronous) };
}
