/** Reading what strace lists: each call on the store's files becomes a moment to kill at, and nothing else does. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { killArguments, pointsOf } from "../../src/cli/torture/trace.ts";

const WAL = "/s/wal/1.wal";

test("calls are counted for each thread and path apart, and the same turn of two threads is one point", () => {
  const listing = [
    `10 pwrite64(22<${WAL}>, "x"..., 4096, 0) = 4096`,
    `10 pwrite64(22<${WAL}>, "y"..., 4096, 4096 <unfinished ...>`,
    `11 pwrite64(23<${WAL}>, "z"..., 4096, 0) = 4096`,
    "10 <... pwrite64 resumed>) = 4096",
    `10 fdatasync(22<${WAL}>) = 0`,
  ].join("\n");
  assert.deepEqual(pointsOf(listing, "/s"), [
    { call: "pwrite64", path: WAL, turn: 1 },
    { call: "pwrite64", path: WAL, turn: 2 },
    { call: "fdatasync", path: WAL, turn: 1 },
  ]);
});

test("a rename is a point on the old name, and only openings that create are points", () => {
  const listing = [
    'openat(AT_FDCWD</home>, "/s/format", O_RDONLY|O_CLOEXEC) = 20</s/format>',
    'openat(AT_FDCWD</home>, "/s/m.tmp", O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 20</s/m.tmp>',
    'rename("/s/m.tmp", "/s/m") = 0',
    "fsync(20</s>) = 0",
  ]
    .map((line) => `10 ${line}`)
    .join("\n");
  assert.deepEqual(pointsOf(listing, "/s"), [
    { call: "openat", path: "/s/m.tmp", turn: 1 },
    { call: "rename", path: "/s/m.tmp", turn: 1 },
    { call: "fsync", path: "/s", turn: 1 },
  ]);
});

test("calls on other files are no points, even where a name begins alike", () => {
  const listing = [
    '10 unlink("/s2/a") = 0',
    '10 unlink("/tmp/cache") = 0',
    '10 write(1<pipe:[7]>, "told", 4) = 4',
  ];
  assert.deepEqual(pointsOf(listing.join("\n"), "/s"), []);
});

test("a kill is asked for at one turn of one call on one path", () => {
  const told = killArguments({ call: "fdatasync", path: WAL, turn: 3 }, "/out");
  assert.deepEqual(told.slice(told.indexOf("-P")), [
    "-P",
    WAL,
    "-e",
    "trace=fdatasync",
    "-e",
    "inject=fdatasync:signal=KILL:when=3",
  ]);
});
