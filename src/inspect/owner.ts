/**
 * Who owns a store, asked without taking its lock: by the system's table of locks where there is one, and by
 * the text in `lock` otherwise, which a crash leaves behind and which therefore proves little.
 */
import { hostname } from "node:os";
import { type LockStatus, lockStatusOf } from "../vfs/disk-lock-status.ts";
import { readWhole, type Vfs } from "../vfs/vfs.ts";

export interface OwnerInfo {
  /** "open": somebody has the lock. "perhaps": the process named in `lock` lives, and locks cannot be listed. */
  readonly state: "open" | "closed" | "perhaps" | "unknown";
  /** From `lock`: of the last owner, live or not. */
  readonly pid?: number;
  readonly host?: string;
  readonly start?: string;
}

const MAX_LOCK_BYTES = 4096;

export function ownerOf(vfs: Vfs, root: string): OwnerInfo {
  const last = readLockText(vfs, root);
  const status = vfs.kind === "disk" ? lockStatusOf(`${root}/format`) : lockInMemory(vfs, `${root}/format`);
  if (status === "held") return { state: "open", ...last };
  if (status === "free") return { state: "closed", ...last };
  if (last.pid === undefined || last.host !== hostname()) return { state: "unknown", ...last };
  return { state: isAlive(last.pid) ? "perhaps" : "closed", ...last };
}

function readLockText(vfs: Vfs, root: string): Omit<OwnerInfo, "state"> {
  try {
    const text = Buffer.from(readWhole(vfs, `${root}/lock`, MAX_LOCK_BYTES) ?? []).toString();
    const { pid, host, start } = JSON.parse(text) as { pid?: unknown; host?: unknown; start?: unknown };
    return {
      ...(typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 ? { pid } : {}),
      ...(typeof host === "string" ? { host } : {}),
      ...(typeof start === "string" ? { start } : {}),
    };
  } catch {
    // It is text for messages only; a store without it is as good.
    return {};
  }
}

/** Nothing else runs between taking it and letting it go, so nobody can be refused by this. */
function lockInMemory(vfs: Vfs, path: string): LockStatus {
  if (vfs.stat(path) === undefined) return "unknown";
  const file = vfs.open(path, "write");
  try {
    return file.tryLock() ? "free" : "held";
  } finally {
    file.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    return (error as { code?: unknown }).code === "EPERM";
  }
}
