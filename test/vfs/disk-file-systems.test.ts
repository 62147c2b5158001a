/** Names of file systems: which ones the store must refuse. Numbers are those of linux/magic.h. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileSystemOf, fileSystemOfType, fuseFileSystemIn } from "../../src/vfs/disk-file-systems.ts";

const MOUNTS = [
  "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
  "41 22 0:35 / /home/me/remote rw,nosuid shared:20 - fuse.sshfs me@host:/srv rw,user_id=1000",
  "42 22 0:36 / /mnt/disk rw,relatime shared:21 - fuseblk /dev/sdb1 rw,user_id=0",
  "43 22 0:300 / /mnt/with\\040blank rw - fuse.mergerfs a:b rw",
  "",
].join("\n");

describe("file systems", () => {
  it("network file systems are recognised", () => {
    const types: readonly [number, string][] = [
      [0x6969, "nfs"],
      [0x517b, "smb"],
      [0xfe534d42, "smb2"],
      [0xff534d42, "cifs"],
      [0x5346414f, "afs"],
      [0x01021997, "9p"],
      [0x00c36400, "ceph"],
    ];
    for (const [type, name] of types) assert.deepEqual(fileSystemOfType(type), { name, network: true });
  });

  it("local, memory and layered file systems are not network ones", () => {
    const types: readonly [number, string][] = [
      [0xef53, "ext4"],
      [0x58465342, "xfs"],
      [0x9123683e, "btrfs"],
      [0x794c7630, "overlay"],
      [0x01021994, "tmpfs"],
      [0x12345, "unknown-0x12345"],
    ];
    for (const [type, name] of types) assert.deepEqual(fileSystemOfType(type), { name, network: false });
  });

  it("FUSE is a network file system only when its mount says so", () => {
    assert.deepEqual(fuseFileSystemIn(MOUNTS, 35), { name: "fuse.sshfs", network: true });
    assert.deepEqual(fuseFileSystemIn(MOUNTS, 36), { name: "fuseblk", network: false });
    // Minor 300 is 0x12c: its upper bits lie beyond those of the major number.
    assert.deepEqual(fuseFileSystemIn(MOUNTS, 0x10002c), { name: "fuse.mergerfs", network: false });
    assert.deepEqual(fuseFileSystemIn(MOUNTS, 99), { name: "fuse", network: false });
    assert.deepEqual(fuseFileSystemIn("", 35), { name: "fuse", network: false });
  });

  it("a Windows share is a network file system", { skip: process.platform !== "win32" }, () => {
    assert.equal(fileSystemOf("//localhost/c$").network, true);
  });
});
