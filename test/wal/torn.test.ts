/** A tail that was begun and never acknowledged: cut, reported, and kept for people who want to look. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withFaults } from "../../src/vfs/fault.ts";
import { LogFixture, readFile, segmentPathOf } from "./fixture.ts";
import { ACTIVE, MIXED, small } from "./small.ts";

describe("a torn tail", () => {
  it("is cut, reported, kept in quarantine, and earlier records remain", async () => {
    const { log, vfs, all, end } = await small({ batches: MIXED, segmentBytes: 65_536, closed: false });
    const file = vfs.open(ACTIVE, "write");
    file.write([Buffer.alloc(100, 0x77)], end);
    file.close();
    const copy = log.on(vfs.crashKeepingEverything());
    const recovery = await copy.open();
    copy.check(all);
    assert.equal(recovery.cleanClose, false);
    assert.ok(recovery.tornBytes >= 48, String(recovery.tornBytes));
    assert.equal(recovery.warnings.length, 1);
    const [name] = copy.vfs.list("/store/quarantine");
    const kept = readFile(copy.vfs, `/store/quarantine/${name}`);
    assert.deepEqual(kept, readFile(vfs, ACTIVE).subarray(end, end + recovery.tornBytes));
  });

  it("is cut and reported also where there is no room for a copy", async () => {
    const { log, vfs, all, end } = await small({ batches: MIXED, segmentBytes: 65_536, closed: false });
    const file = vfs.open(ACTIVE, "write");
    file.write([Buffer.alloc(100, 0x77)], end);
    file.close();
    const full = withFaults(vfs.crashKeepingEverything(), [
      { operation: "write", path: /quarantine/, errno: "ENOSPC" },
    ]);
    const copy = log.on(full);
    const { tornBytes, warnings } = await copy.open();
    copy.check(all);
    assert.ok(tornBytes >= 48, String(tornBytes));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /no copy was kept: .*ENOSPC/);
  });

  it("leaves at most eight copies in quarantine", async () => {
    const log = new LogFixture().create();
    for (let round = 0; round < 12; round += 1) {
      await log.open();
      await log.write(100);
      const { segment = 0, offset = 0 } = log.durable.get(log.log.lastLsn) ?? {};
      log.kill();
      const file = log.vfs.open(segmentPathOf(segment), "write");
      file.write([Buffer.alloc(60, 0x77)], offset + 48 + 104);
      file.close();
    }
    await log.open();
    log.check(log.durable.keys());
    assert.equal(log.vfs.list("/store/quarantine").length, 8);
  });
});
