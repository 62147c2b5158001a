/** The options of a store, checked and with their defaults. Every bad one is INVALID_OPTION naming it. */
import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";
import type { StoreEvent, StoreOptions, SyncPolicy } from "../contract.ts";
import { storeError } from "../errors.ts";
import {
  DEFAULT_SEGMENT_BYTES,
  DEFAULT_SNAPSHOT_LOG_BYTES,
  MAX_SEGMENT_BYTES,
  MIB,
  MIN_SEGMENT_BYTES,
} from "../limits.ts";
import type { GraphPolicy } from "../session/types.ts";
import { diskVfs } from "../vfs/disk.ts";
import type { Vfs } from "../vfs/vfs.ts";

export interface ResolvedOptions {
  readonly sync: SyncPolicy;
  readonly syncIntervalMs: number;
  readonly segmentBytes: number;
  readonly snapshot:
    | { readonly logBytes: number | undefined; readonly intervalMs: number | undefined }
    | undefined;
  readonly gc: { readonly garbageRatio: number; readonly minBytes: number } | undefined;
  readonly workers: number;
  readonly blobCompression: "none" | "balanced" | "compact";
  readonly graphPolicy: GraphPolicy;
  readonly maxCommitBytes: number;
  readonly maxQueuedBytes: number;
  readonly maxResidentBytes: number;
  readonly receiptsKept: number;
  readonly lockWaitMs: number;
  readonly allowNetworkFileSystem: boolean;
  readonly onEvent: (event: StoreEvent) => void;
  readonly vfs: Vfs;
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
}

/** Also accepted beside the options: the signal of `openStore`. */
const KNOWN = new Set([
  "sync",
  "syncIntervalMs",
  "segmentBytes",
  "snapshot",
  "gc",
  "workers",
  "blobCompression",
  "graphPolicy",
  "maxCommitBytes",
  "maxQueuedBytes",
  "maxResidentBytes",
  "receiptsKept",
  "lockWaitMs",
  "allowNetworkFileSystem",
  "onEvent",
  "vfs",
  "clock",
  "random",
  "signal",
]);

/** Timers of Node hold 31 bits of milliseconds. */
const MAX_MS = 2 ** 31 - 1;

export function resolveOptions(options: StoreOptions | undefined): ResolvedOptions {
  const given: StoreOptions = options ?? {};
  if (typeof given !== "object") throw bad("options", "must be an object", given);
  for (const key of Object.keys(given)) {
    if (!KNOWN.has(key)) throw bad(key, `is not an option; known are ${[...KNOWN].join(", ")}`, undefined);
  }
  const maxCommitBytes = integer("maxCommitBytes", given.maxCommitBytes, 16 * MIB, 1024, 256 * MIB);
  return {
    sync: oneOf("sync", given.sync, ["always", "interval", "never"], "always"),
    syncIntervalMs: integer("syncIntervalMs", given.syncIntervalMs, 100, 1, MAX_MS),
    segmentBytes: segmentBytes(given.segmentBytes),
    snapshot: snapshotTriggers(given.snapshot),
    gc: gcTriggers(given.gc),
    workers: integer("workers", given.workers, 1, 1, 64),
    blobCompression: oneOf(
      "blobCompression",
      given.blobCompression,
      ["none", "balanced", "compact"],
      "balanced",
    ),
    graphPolicy: oneOf("graphPolicy", given.graphPolicy, ["strict", "permissive"], "strict"),
    maxCommitBytes,
    maxQueuedBytes: integer("maxQueuedBytes", given.maxQueuedBytes, 64 * MIB, 1024, 8192 * MIB),
    maxResidentBytes: integer("maxResidentBytes", given.maxResidentBytes, 256 * MIB, 1024, 2 ** 50),
    receiptsKept: integer("receiptsKept", given.receiptsKept, 1000, 0, 1_000_000),
    lockWaitMs: integer("lockWaitMs", given.lockWaitMs, 0, 0, MAX_MS),
    allowNetworkFileSystem: flag("allowNetworkFileSystem", given.allowNetworkFileSystem),
    onEvent: listener(given.onEvent),
    vfs: given.vfs ?? diskVfs,
    clock: clock(given.clock),
    random: random(given.random),
  };
}

const CLOCK_METHODS = ["now", "wall", "setTimeout", "clearTimeout", "turn"] as const;

function clock(value: Clock | undefined): Clock {
  if (value === undefined) return systemClock;
  const missing = CLOCK_METHODS.find((name) => typeof value?.[name] !== "function");
  if (missing !== undefined) throw bad("clock", `must have a method ${missing}`, undefined);
  return value;
}

function random(value: StoreOptions["random"]): ResolvedOptions["random"] {
  if (value === undefined) return randomBytes;
  if (typeof value !== "function") throw bad("random", "must be a function", value);
  return value;
}

function segmentBytes(value: unknown): number {
  const bytes = integer("segmentBytes", value, DEFAULT_SEGMENT_BYTES, MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
  if (bytes % 4096 !== 0) throw bad("segmentBytes", "must be a multiple of 4096", bytes);
  return bytes;
}

function snapshotTriggers(value: StoreOptions["snapshot"]): ResolvedOptions["snapshot"] {
  if (value === false) return undefined;
  const given = triggers("snapshot", value, ["logBytes", "intervalMs"]);
  if (given === undefined) return { logBytes: DEFAULT_SNAPSHOT_LOG_BYTES, intervalMs: 60_000 };
  return {
    logBytes: optionalInteger("snapshot.logBytes", given.logBytes, 1, 2 ** 50),
    intervalMs: optionalInteger("snapshot.intervalMs", given.intervalMs, 1, MAX_MS),
  };
}

function gcTriggers(value: StoreOptions["gc"]): ResolvedOptions["gc"] {
  if (value === false) return undefined;
  const given = triggers("gc", value, ["garbageRatio", "minBytes"]) ?? {};
  const garbageRatio = given.garbageRatio ?? 0.5;
  if (typeof garbageRatio !== "number" || !(garbageRatio > 0 && garbageRatio <= 1)) {
    throw bad("gc.garbageRatio", "must be a number above 0 and at most 1", garbageRatio);
  }
  return { garbageRatio, minBytes: integer("gc.minBytes", given.minBytes, 16 * MIB, 0, 2 ** 50) };
}

function triggers<Value extends object>(
  option: string,
  value: Value | undefined,
  known: string[],
): Value | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null)
    throw bad(option, `must be false or an object with ${known.join(", ")}`, value);
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      throw bad(`${option}.${key}`, `is not an option; known are ${known.join(", ")}`, undefined);
  }
  return value;
}

function optionalInteger(option: string, value: unknown, least: number, most: number): number | undefined {
  return value === undefined ? undefined : integer(option, value, least, least, most);
}

function integer(option: string, value: unknown, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
    throw bad(option, `must be an integer from ${least} to ${most}`, value);
  }
  return value;
}

function oneOf<Choice extends string>(
  option: string,
  value: unknown,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  if (value === undefined) return fallback;
  const choice = choices.find((candidate) => candidate === value);
  if (choice === undefined)
    throw bad(option, `must be one of ${choices.map((c) => `"${c}"`).join(", ")}`, value);
  return choice;
}

function flag(option: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw bad(option, "must be true or false", value);
  return value;
}

/** A listener that throws is the host's bug and never harms the store. */
function listener(value: unknown): (event: StoreEvent) => void {
  if (value === undefined) return () => undefined;
  if (typeof value !== "function") throw bad("onEvent", "must be a function", value);
  // Deliberate: events are information, not a door into the store.
  const ignore = (): void => undefined;
  return (event) => {
    try {
      const returned: unknown = value(event);
      // An async listener's failure would otherwise end the process.
      if (returned instanceof Promise) returned.catch(ignore);
    } catch {
      ignore();
    }
  };
}

function bad(option: string, problem: string, value: unknown): Error {
  const shown =
    value === undefined ? "" : `, not ${typeof value === "object" ? JSON.stringify(value) : String(value)}`;
  return storeError("INVALID_OPTION", { option }, `option ${option} ${problem}${shown}`);
}
