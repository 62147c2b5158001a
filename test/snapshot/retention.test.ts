/** Which files may go: a table. What a generation names stays, what is not ours is never touched. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileEntry, Manifest } from "../../src/snapshot/manifest.ts";
import { type Listing, removable } from "../../src/snapshot/retention.ts";
import { STORE_ID } from "./fixture.ts";

const entry = (number: number): FileEntry => ({ number, bytes: 1, count: 1 });

function generation(number: number, heads: readonly number[], packs: readonly number[]): Manifest {
  return {
    number,
    storeId: STORE_ID,
    log: { segment: 1, salt: 1n, lsn: 0, crc: 0 },
    heads: heads.map(entry),
    packs: packs.map(entry),
    deadBytes: 0,
    nextFile: 100,
  };
}

const NEWEST = generation(5, [7], [8, 9]);
const OLDER = generation(4, [3, 7], [8]);
const NOTHING: Listing = { root: [], heads: [], blobs: [] };

const TABLE: readonly [string, readonly Manifest[], Partial<Listing>, readonly string[]][] = [
  ["nothing goes from an empty directory", [NEWEST], {}, []],
  [
    "both generations' manifests stay, older and newer ones go",
    [NEWEST, OLDER],
    { root: ["manifest-000003", "manifest-000004", "manifest-000005", "manifest-000006"] },
    ["/s/manifest-000003", "/s/manifest-000006"],
  ],
  [
    "a heads file that either generation names stays",
    [NEWEST, OLDER],
    { heads: ["000003.heads", "000006.heads", "000007.heads"] },
    ["/s/heads/000006.heads"],
  ],
  [
    "with one generation what only the older one named goes",
    [NEWEST],
    { heads: ["000003.heads", "000007.heads"], root: ["manifest-000004", "manifest-000005"] },
    ["/s/manifest-000004", "/s/heads/000003.heads"],
  ],
  [
    "a pack that either generation names stays",
    [NEWEST, OLDER],
    { blobs: ["000007.pack", "000008.pack", "000009.pack", "000010.pack"] },
    ["/s/blobs/000007.pack", "/s/blobs/000010.pack"],
  ],
  [
    "a number counts in its own directory only",
    [NEWEST],
    { heads: ["000008.heads"], blobs: ["000007.pack"] },
    ["/s/heads/000008.heads", "/s/blobs/000007.pack"],
  ],
  [
    "temporary files go, also of names that stay",
    [NEWEST],
    {
      root: ["manifest-000005.tmp"],
      heads: ["000007.heads.tmp"],
      blobs: ["000008.pack.tmp", "000010.pack.tmp"],
    },
    [
      "/s/manifest-000005.tmp",
      "/s/heads/000007.heads.tmp",
      "/s/blobs/000008.pack.tmp",
      "/s/blobs/000010.pack.tmp",
    ],
  ],
  [
    "what is not ours is left alone",
    [NEWEST],
    {
      root: [
        "format",
        "lock",
        "wal",
        "heads",
        "blobs",
        "quarantine",
        "lost+found",
        "manifest-1",
        "manifest-000001.bak",
      ],
      heads: ["7.heads", "000001.pack", "000001.heads.bak", "notes.txt", "000001.heads.tmp.tmp"],
      blobs: ["000001.heads", "x000001.pack", "000001.PACK"],
    },
    [],
  ],
  [
    "numbers of more than six digits are known as well",
    [generation(1_000_005, [1_000_007], [])],
    { root: ["manifest-1000004", "manifest-1000005"], heads: ["1000006.heads", "1000007.heads"] },
    ["/s/manifest-1000004", "/s/heads/1000006.heads"],
  ],
];

for (const [what, generations, listing, expected] of TABLE) {
  test(what, () => {
    assert.deepEqual(removable("/s", generations, { ...NOTHING, ...listing }), expected);
  });
}
