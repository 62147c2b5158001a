/**
 * The name of one crash state, short enough for a command line: seed of the workload, moment, fates, and the
 * same once more for a crash inside its recovery. `7:120:L12K3:14:K5L2:on` is read as: workload of seed 7,
 * moment 120, twelve parts lost and three kept; in the recovery from that, moment 14, five kept and two lost;
 * and then the store goes on.
 */
import type { SectorFate } from "../../vfs/memory-crash.ts";

/** One crash: the moment it happens at and the fate of each of the moment's parts. */
export interface CrashAt {
  readonly moment: number;
  readonly fates: readonly SectorFate[];
}

/** One state that crashes can leave: of the workload, and perhaps again of the recovery from it. */
export interface CrashState {
  readonly seed: number;
  /** One crash, or one and the one inside its recovery. */
  readonly crashes: readonly CrashAt[];
  /** Whether the check goes on with work after what it found. */
  readonly goOn: boolean;
}

const GO_ON = "on";

export function encodeState({ seed, crashes, goOn }: CrashState): string {
  const parts = crashes.flatMap(({ moment, fates }) => [String(moment), encodeFates(fates)]);
  return [String(seed), ...parts, ...(goOn ? [GO_ON] : [])].join(":");
}

/** Throws a TypeError naming the token unless `encodeState` could have made it. */
export function decodeState(token: string): CrashState {
  const fields = token.split(":");
  const goOn = fields.at(-1) === GO_ON;
  if (goOn) fields.pop();
  const crashes: CrashAt[] = [];
  for (let at = 1; at < fields.length; at += 2) {
    crashes.push({ moment: numberOf(fields[at], token), fates: decodeFates(fields[at + 1], token) });
  }
  if (crashes.length < 1 || crashes.length > 2) throw badToken(token);
  return { seed: numberOf(fields[0], token), crashes, goOn };
}

/** Runs of equal fates: letter (with its number, if it has one) and how often. No parts at all are a dot. */
function encodeFates(fates: readonly SectorFate[]): string {
  const runs: { word: string; count: number }[] = [];
  for (const fate of fates) {
    const word = wordOf(fate);
    const last = runs.at(-1);
    if (last?.word === word) last.count += 1;
    else runs.push({ word, count: 1 });
  }
  return runs.map(({ word, count }) => (count === 1 ? word : `${word}x${count}`)).join("") || ".";
}

function wordOf(fate: SectorFate): string {
  if (fate === "lost") return "L";
  if (fate === "kept") return "K";
  if ("garbage" in fate) return `G${fate.garbage}`;
  return `${fate.torn === "front" ? "F" : "B"}${fate.bytes}`;
}

function decodeFates(text: string | undefined, token: string): SectorFate[] {
  if (text === undefined) throw badToken(token);
  if (text === ".") return [];
  if (!/^([LK]|[GFB]\d+)(x\d+|(?=[LKGFB]|$))(([LK]|[GFB]\d+)(x\d+)?)*$/.test(text)) throw badToken(token);
  const fates: SectorFate[] = [];
  for (const [, letter = "", digits = "", count = "1"] of text.matchAll(/([LKGFB])(\d*)(?:x(\d+))?/g)) {
    const fate = fateOf(letter, Number(digits));
    for (let turn = 0; turn < Number(count); turn++) fates.push(fate);
  }
  return fates;
}

function fateOf(letter: string, number: number): SectorFate {
  if (letter === "L") return "lost";
  if (letter === "K") return "kept";
  if (letter === "G") return { garbage: number };
  return { torn: letter === "F" ? "front" : "back", bytes: number };
}

function numberOf(text: string | undefined, token: string): number {
  const value = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw badToken(token);
  return value;
}

function badToken(token: string): TypeError {
  return new TypeError(`"${token}" names no crash state; use the token as it was printed`);
}
