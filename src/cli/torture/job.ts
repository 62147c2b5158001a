/** What a load process is started with and what it says: one line per fact, so that a kill tears none apart. */
import type { StoreOptions } from "../../contract.ts";
import type { KnownLane } from "./check.ts";
import type { Plan, Position } from "./script.ts";

export interface Job {
  readonly directory: string;
  readonly plan: Plan;
  /** What must be there when the store is opened; it goes on from what it finds. */
  readonly known: readonly KnownLane[];
  readonly options: Pick<StoreOptions, "segmentBytes" | "snapshot" | "gc" | "maxResidentBytes">;
  /** For the moments of snapshots and gc. */
  readonly seed: number;
  /** Absent: loads until it is killed. Else: so many rounds in a fixed order, then closes the store. */
  readonly rounds?: number;
}

/** What a load process says. "told" is written before anything that rests on it is sent. */
export type Line =
  | { readonly type: "opening" }
  | { readonly type: "checked"; readonly positions: readonly Position[]; readonly tornBytes: number }
  | { readonly type: "told"; readonly lane: number; readonly position: Position }
  | { readonly type: "did"; readonly what: "snapshot" | "gc" }
  | { readonly type: "violation"; readonly message: string }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "closed" };

/** Longest line; a check that fails may say much. */
const MAX_MESSAGE_CHARS = 2_000;

export function encodeLine(line: Line): string {
  if (line.type === "told") return `told ${line.lane} ${line.position.generation} ${line.position.done}\n`;
  const { type, ...rest } = line;
  const short = "message" in rest ? { ...rest, message: rest.message.slice(0, MAX_MESSAGE_CHARS) } : rest;
  return `${type} ${JSON.stringify(short)}\n`;
}

export function decodeLine(text: string): Line | undefined {
  const at = text.indexOf(" ");
  const [type, rest] = [text.slice(0, at), text.slice(at + 1)];
  if (type === "told") {
    const [lane = 0, generation = 0, done = 0] = rest.split(" ").map(Number);
    return { type, lane, position: { generation, done } };
  }
  try {
    // Only our own process writes here.
    return { type, ...(JSON.parse(rest) as object) } as Line;
  } catch {
    return undefined;
  }
}
