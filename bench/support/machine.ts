/**
 * What a result was measured on: machine, kernel, file system, disk, versions; and whether something else used
 * the machine meanwhile. No path and no name of a person or host goes into a result, so that it can be shown.
 */
import { readFileSync, statfsSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from "node:os";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { peerVersion } from "./peers.ts";

export interface MachineFacts {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly fileSystem: string;
  readonly disk: string;
  readonly node: string;
  readonly versions: Readonly<Record<string, string>>;
  /** One minute, when the run began. */
  readonly loadBefore: number;
  /** Reasons to distrust the whole run. */
  readonly doubts: readonly string[];
}

const PACKAGES = ["better-sqlite3", "lmdb", "classic-level", "@langchain/langgraph-checkpoint-sqlite"];
/** Load per processor above which a run is marked. */
const HIGH_LOAD = 0.5;
const MEMORY_FILE_SYSTEMS = ["tmpfs", "ramfs"];

export function machineFacts(directory: string): MachineFacts {
  const mount = mountOf(directory);
  const [load = 0] = loadavg();
  const versions: Record<string, string> = { varve: ownVersion() };
  for (const name of PACKAGES) {
    const version = peerVersion(name);
    if (version !== undefined) versions[name] = version;
  }
  const doubts: string[] = [];
  if (load / availableParallelism() > HIGH_LOAD) {
    doubts.push(
      `the load average was ${load.toFixed(1)} on ${availableParallelism()} processors when it began`,
    );
  }
  if (MEMORY_FILE_SYSTEMS.includes(mount.type)) {
    doubts.push(
      `${mount.type} is memory: a sync costs nothing there, and nothing here says what a disk would`,
    );
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cpus: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: `${platform()} ${release()} ${arch()}`,
    fileSystem: mount.type,
    disk: diskOf(mount.device),
    node: process.version,
    versions,
    loadBefore: load,
    doubts,
  };
}

/** The package's: the nearest package.json above that is called so. */
function ownVersion(): string {
  for (const up of ["../package.json", "../../package.json", "../../../package.json"]) {
    const text = readText(fileURLToPath(new URL(up, import.meta.url)));
    if (text === "") continue;
    const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown };
    if (name === "varve") return String(version);
  }
  return "unknown";
}

/** The mount that holds the directory; where the system has no such table, the number of the file system. */
function mountOf(directory: string): { type: string; device: string } {
  const path = resolve(directory);
  let best = { point: "", type: "", device: "" };
  for (const line of readText("/proc/mounts").split("\n")) {
    const [device = "", point = "", type = ""] = line.split(" ");
    const holds = path === point || path.startsWith(point === "/" ? "/" : `${point}/`);
    if (holds && point.length >= best.point.length) best = { point, type, device };
  }
  if (best.type !== "") return best;
  return { type: `type 0x${statfsSync(path).type.toString(16)}`, device: "" };
}

function diskOf(device: string): string {
  const partition = basename(device);
  if (partition === "") return "unknown";
  for (const name of [partition, partition.replace(/p?\d+$/, "")]) {
    const fact = (file: string): string => readText(`/sys/block/${name}/${file}`).trim();
    const cache = fact("queue/write_cache");
    if (cache === "") continue;
    return [name, fact("device/model"), `write cache: ${cache}`].filter((text) => text !== "").join(", ");
  }
  return partition;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Another system than Linux: the fact is left out.
    return "";
  }
}

/** Milliseconds that processes took which this one started for its figures. */
let ownMillis = 0;

export function countAsOwn(cpuMillis: number): void {
  ownMillis += cpuMillis;
}

/** Share of all processors that others than this process may use before its figures are marked. */
const MAX_FOREIGN_SHARE = 0.1;

/** Watches how much of the machine others use from now on. */
export function watchOthers(): () => string | undefined {
  const before = { busy: busyMillis(), own: process.cpuUsage(), ownMillis, at: performance.now() };
  return () => {
    const own = process.cpuUsage(before.own);
    const elapsed = (performance.now() - before.at) * cpus().length;
    const foreign =
      busyMillis() - before.busy - (own.user + own.system) / 1000 - (ownMillis - before.ownMillis);
    const share = elapsed > 0 ? foreign / elapsed : 0;
    if (share <= MAX_FOREIGN_SHARE) return undefined;
    return `others used ${Math.round(share * 100)} % of the machine meanwhile`;
  };
}

function busyMillis(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}
