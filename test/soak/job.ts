/**
 * What a soak's host process is started with, and what it says: one line per fact, so that a kill tears none apart.
 * A line is written before anything that rests on it is done.
 */
import { deserialize, serialize } from "node:v8";
import type { StoreOptions } from "../../src/contract.ts";
import type { RuntimeCommit } from "../../src/session/types.ts";
import type { HistoryEvent } from "../../src/testing/history/events.ts";

/** When the process kills itself; without one it closes the store after its operations. */
export type Death =
  /** Beside its event with this number, after so many milliseconds. */
  | { readonly kind: "event"; readonly number: number; readonly delayMs: number }
  /** After so many milliseconds of its life: while it opens the store, if they are few. */
  | { readonly kind: "time"; readonly ms: number };

/** What outlives a host: it wrote it on paper. */
export interface Paper {
  /** Commits with an operation id, to be sent again. */
  readonly sent: readonly RuntimeCommit[];
  /** Of sessions that are gone. */
  readonly deletedIds: readonly string[];
}

export interface Job {
  readonly directory: string;
  readonly seed: number;
  /** Number of this life; part of the ids it makes. */
  readonly life: number;
  readonly operations: number;
  /** Operations between two measurements. */
  readonly period: number;
  readonly death: Death | undefined;
  readonly options: StoreOptions;
  readonly paper: Paper;
}

/** Measured with nothing in flight, right after a gc and two snapshots. Bytes. */
export interface Measurement {
  readonly life: number;
  readonly operations: number;
  /** Of JavaScript, after its garbage collection, buffers included. */
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Heads files, packs, manifests. */
  readonly diskBytes: number;
  /** Heads files, and the heads in them. */
  readonly headsBytes: number;
  readonly heads: number;
  /** The encoded nodes and checkpoint values that sessions show. */
  readonly liveBytes: number;
  readonly logBytes: number;
  readonly files: number;
  /** Files, pipes and the like that the process has open; 0 where nobody counts them. */
  readonly handles: number;
  readonly sessions: number;
}

export type Line =
  | { readonly type: "event"; readonly event: HistoryEvent }
  | { readonly type: "sent"; readonly commit: RuntimeCommit }
  | { readonly type: "measured"; readonly measurement: Measurement }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "closed" };

export function encodeLine(line: Line): string {
  // JSON has no bytes and no bigint.
  if (line.type === "sent") return `sent ${serialize(line.commit).toString("base64")}\n`;
  return `${line.type} ${JSON.stringify(line)}\n`;
}

/** Undefined for what is no line of ours: the rest of one that a kill cut short. */
export function decodeLine(text: string): Line | undefined {
  const at = text.indexOf(" ");
  const [type, rest] = [text.slice(0, at), text.slice(at + 1)];
  try {
    if (type === "sent") return { type, commit: deserialize(Buffer.from(rest, "base64")) as RuntimeCommit };
    // Only our own process writes here.
    return JSON.parse(rest) as Line;
  } catch {
    return undefined;
  }
}
