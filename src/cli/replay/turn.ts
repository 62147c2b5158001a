/**
 * How a host cuts a turn into commits: the prompt, one commit for each finished tool round, and a final one
 * when the model has ended its turn. Decides only which entries travel together.
 */
import type { SourceEntry } from "./source.ts";
import { isObject, type JsonObject } from "./transcript.ts";

export interface CommitGroup {
  readonly role: "prompt" | "progress" | "final";
  /** May be empty in the final group: a commit that only closes the turn. */
  readonly entries: readonly SourceEntry[];
}

export function groupTurn(entries: readonly SourceEntry[]): readonly CommitGroup[] {
  const promptEnd = entries.findIndex((entry) => messageOf(entry)?.role === "user") + 1;
  const groups: CommitGroup[] = [];
  if (promptEnd > 0) groups.push({ role: "prompt", entries: entries.slice(0, promptEnd) });
  const rounds = splitRounds(entries.slice(promptEnd));
  const last = rounds.at(-1);
  const closing = last !== undefined && !callsTools(last) ? rounds.pop() : undefined;
  for (const round of rounds) groups.push({ role: "progress", entries: round });
  groups.push({ role: "final", entries: closing ?? [] });
  return groups;
}

/** A round begins with an assistant message; what stands before the first one is a round of its own. */
function splitRounds(entries: readonly SourceEntry[]): SourceEntry[][] {
  const rounds: SourceEntry[][] = [];
  for (const entry of entries) {
    const open = rounds.at(-1);
    if (open === undefined || messageOf(entry)?.role === "assistant") rounds.push([entry]);
    else open.push(entry);
  }
  return rounds;
}

function callsTools(round: readonly SourceEntry[]): boolean {
  return round.some((entry) => {
    const content = messageOf(entry)?.content;
    return Array.isArray(content) && content.some((part) => isObject(part) && part.type === "toolCall");
  });
}

export function messageOf(entry: SourceEntry): JsonObject | undefined {
  return entry.type === "message" && isObject(entry.raw.message) ? entry.raw.message : undefined;
}
