/**
 * File systems of their own, in image files on loop devices or in memory: what power cuts and full disks need.
 * It deliberately runs the system's own tools and knows no store.
 *
 * 1. Everything mounted here lies below the tortured directory, and is unmounted by `unmount` of its path.
 */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export type FileSystem = "ext4" | "xfs" | "tmpfs";

/** Longest run of one of the tools. Milliseconds. */
const TOOL_MS = 60_000;
/** Attempts to unmount a file system that a dying process still holds, and the milliseconds between them. */
const UNMOUNT_ATTEMPTS = 100;
const UNMOUNT_PAUSE_MS = 50;
/** Attempts to get a loop device. */
const ATTACH_ATTEMPTS = 5;
/** mkfs.xfs makes none below 300 MB; the image is sparse. */
export const LEAST_XFS_BYTES = 320 * 1024 * 1024;

interface Ran {
  readonly ok: boolean;
  readonly text: string;
}

export function runTool(file: string, ...args: string[]): Ran {
  const done = spawnSync(file, args, { encoding: "utf8", timeout: TOOL_MS });
  if (done.error !== undefined) return { ok: false, text: done.error.message };
  return { ok: done.status === 0, text: `${done.stdout}${done.stderr}`.trim() };
}

/** A formatted image attached to a loop device, mounted and unmounted as often as one likes. */
export class Mount {
  readonly path: string;
  readonly #source: string;
  readonly #options: readonly string[];
  readonly #detach: () => void;

  private constructor(path: string, source: string, options: readonly string[], detach: () => void) {
    this.path = path;
    this.#source = source;
    this.#options = options;
    this.#detach = detach;
  }

  /** Answers a mounted file system of about `bytes`, or why there is none. */
  static create(fileSystem: FileSystem, path: string, bytes: number): Mount | string {
    if (process.platform !== "linux") return "it takes Linux";
    if (process.getuid?.() !== 0) return "it takes root, to mount a file system of its own";
    mkdirSync(path, { recursive: true });
    const mount =
      fileSystem === "tmpfs"
        ? new Mount(path, "tmpfs", ["-t", "tmpfs", "-o", `size=${bytes}`], () => {})
        : Mount.#attach(fileSystem, path, bytes);
    if (typeof mount === "string") return mount;
    const mounted = mount.#tryMount();
    if (mounted.ok) return mount;
    mount.#detach();
    return `mounting ${fileSystem} is not permitted here: ${mounted.text}`;
  }

  static #attach(fileSystem: "ext4" | "xfs", path: string, bytes: number): Mount | string {
    const image = `${path}.img`;
    const fd = openSync(image, "w");
    ftruncateSync(fd, fileSystem === "xfs" ? Math.max(bytes, LEAST_XFS_BYTES) : bytes);
    closeSync(fd);
    const remove = () => rmSync(image, { force: true });
    const made = runTool(`mkfs.${fileSystem}`, "-q", image);
    if (!made.ok) {
      remove();
      return `it takes mkfs.${fileSystem} (of the package ${fileSystem === "xfs" ? "xfsprogs" : "e2fsprogs"}): ${made.text}`;
    }
    const device = attachLoop(image);
    if (!device.ok) {
      remove();
      return `it takes a loop device: ${device.text}`;
    }
    return new Mount(path, device.text, ["-t", fileSystem], () => {
      runTool("losetup", "--detach", device.text);
      remove();
    });
  }

  mount(): void {
    const { ok, text } = this.#tryMount();
    if (!ok) throw new Error(`${this.path} cannot be mounted: ${text}`);
  }

  unmount(): void {
    if (!unmount(this.path)) throw new Error(`${this.path} cannot be unmounted`);
  }

  /** Unmounts it and frees the device. */
  release(): void {
    unmount(this.path);
    this.#detach();
    rmSync(this.path, { recursive: true, force: true });
  }

  #tryMount(): Ran {
    return runTool("mount", ...this.#options, this.#source, this.path);
  }
}

/** Between finding a free device and taking it, another process may take it. */
function attachLoop(image: string): Ran {
  let ran = runTool("losetup", "--find", "--show", image);
  for (let attempt = 1; !ran.ok && attempt < ATTACH_ATTEMPTS; attempt++)
    ran = runTool("losetup", "--find", "--show", image);
  return ran;
}

/** Unmounts what is mounted at `path`, if anything; false when it cannot be. */
export function unmount(path: string): boolean {
  const pauses = new Int32Array(new SharedArrayBuffer(4));
  for (let attempt = 0; attempt < UNMOUNT_ATTEMPTS; attempt++) {
    if (!isMounted(path)) return true;
    if (!runTool("umount", path).ok) Atomics.wait(pauses, 0, 0, UNMOUNT_PAUSE_MS);
  }
  return !isMounted(path);
}

function isMounted(path: string): boolean {
  if (process.platform !== "linux") return false;
  try {
    // Of the parent: a file system that was shut down answers nothing about its own root.
    const real = join(realpathSync(dirname(path)), basename(path));
    return readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .some((line) => line.split(" ")[1]?.replaceAll("\\040", " ") === real);
  } catch {
    return false;
  }
}
