/**
 * Which file system a path lies on, and whether it is one of another machine. Locks and syncs of network
 * file systems cannot be trusted, so the store refuses them unless forced. Linux names its file systems by
 * number in `statfs`; elsewhere only a Windows share is recognised, everything else counts as local.
 *
 * FUSE has one number for all: local ones and sshfs alike. There the name in `/proc/self/mountinfo`,
 * found by the device number, tells them apart; without it, FUSE counts as local.
 */
import { readFileSync, statfsSync, statSync } from "node:fs";

export interface FileSystem {
  readonly name: string;
  readonly network: boolean;
}

const FUSE_TYPE = 0x65735546;

/** `f_type` numbers of linux/magic.h and of the file systems outside the kernel tree. */
const LOCAL_TYPES: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0xf2f52010, "f2fs"],
  [0x2fc12fc1, "zfs"],
  [0xca451a4e, "bcachefs"],
  [0x3153464a, "jfs"],
  [0x3434, "nilfs2"],
  [0x52654973, "reiserfs"],
  [0x5346544e, "ntfs"],
  [0x7366746e, "ntfs3"],
  [0x2011bab0, "exfat"],
  [0x4d44, "vfat"],
  [0x482b, "hfsplus"],
  [0x24051905, "ubifs"],
  [0xf15f, "ecryptfs"],
  [0x794c7630, "overlay"],
  [0x61756673, "aufs"],
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [FUSE_TYPE, "fuse"],
]);

/** Served by another machine, by the host of a virtual one, or shared by a cluster. */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, "nfs"],
  [0x517b, "smb"],
  [0xfe534d42, "smb2"],
  [0xff534d42, "cifs"],
  [0x5346414f, "afs"],
  [0x6b414653, "kafs"],
  [0x73757245, "coda"],
  [0x564c, "ncpfs"],
  [0x01021997, "9p"],
  [0x00c36400, "ceph"],
  [0x0bd00bd0, "lustre"],
  [0x47504653, "gpfs"],
  [0x19830326, "beegfs"],
  [0x20030528, "orangefs"],
  [0xaad7aaea, "panfs"],
  [0x01161970, "gfs2"],
  [0x7461636f, "ocfs2"],
  [0xbacbacbc, "vmhgfs"],
  [0x786f4256, "vboxsf"],
  [0x7c7c6673, "prl_fs"],
]);

const NETWORK_FUSE =
  /^fuse\.(sshfs|rclone|s3fs|mount-s3|mountpoint-s3|gcsfuse|goofys|blobfuse2?|davfs2?|curlftpfs|smbnetfs|glusterfs|ceph(-fuse)?|mfs|moosefs|juicefs|seaweedfs|vmhgfs-fuse|gvfsd-fuse|ossfs|cosfs|hdfs|hadoop)$/;

/** Throws what `node:fs` throws if the path does not exist. */
export function fileSystemOf(path: string): FileSystem {
  const { type } = statfsSync(path);
  if (process.platform === "linux") {
    // A 32-bit kernel answers large numbers with their sign extended.
    const unsigned = Number(BigInt.asUintN(32, BigInt(type)));
    return unsigned === FUSE_TYPE ? fuseFileSystem(statSync(path).dev) : fileSystemOfType(unsigned);
  }
  if (process.platform === "win32" && /^[\\/]{2}[^\\/?.]/.test(path)) return { name: "share", network: true };
  return { name: "local", network: false };
}

export function fileSystemOfType(type: number): FileSystem {
  const network = NETWORK_TYPES.get(type);
  if (network !== undefined) return { name: network, network: true };
  return { name: LOCAL_TYPES.get(type) ?? `unknown-0x${type.toString(16)}`, network: false };
}

function fuseFileSystem(device: number): FileSystem {
  let mounts = "";
  try {
    mounts = readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    // No /proc in this container: plain FUSE is all that is known.
  }
  return fuseFileSystemIn(mounts, device);
}

/** The FUSE file system of `device` among the lines of a mountinfo file. */
export function fuseFileSystemIn(mounts: string, device: number): FileSystem {
  const number = deviceNumber(device);
  for (const line of mounts.split("\n")) {
    const [before, after] = line.split(" - ");
    if (after === undefined || before?.split(" ")[2] !== number) continue;
    const name = after.split(" ")[0] ?? "fuse";
    return { name, network: NETWORK_FUSE.test(name) };
  }
  return { name: "fuse", network: false };
}

/** `major:minor` of a Linux device number, whose bits interleave for the sake of old programs. */
function deviceNumber(device: number): string {
  const bits = BigInt(device);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}
