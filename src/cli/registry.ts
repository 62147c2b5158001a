/**
 * The commands of `varve`, each in a file of its own that is loaded only when it is asked for: help and
 * mistakes need no engine. To add one: write the file, add its line here, in the order help shows them.
 */
import type { Command } from "./command.ts";

interface Entry {
  /** One line, for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  replay: {
    summary: "play agent sessions against a store, reopen it and verify everything",
    load: async () => (await import("./replay/command.ts")).replayCommand,
  },
  bench: {
    summary: "measure the store on your own disk, beside its baselines and what else is installed",
    load: async () => (await import("./commands/bench.ts")).benchCommand,
  },
  info: {
    summary: "what a store is made of, who owns it, how it stands",
    load: async () => (await import("./commands/info.ts")).infoCommand,
  },
  ls: {
    summary: "list the sessions of a store, newest first",
    load: async () => (await import("./commands/ls.ts")).lsCommand,
  },
  show: {
    summary: "show one session: head, nodes, checkpoint, ledger",
    load: async () => (await import("./commands/show.ts")).showCommand,
  },
  log: {
    summary: "print the log, one line a frame, holes marked",
    load: async () => (await import("./commands/log.ts")).logCommand,
  },
  verify: {
    summary: "check a store, live or closed: clean, repairable, damaged",
    load: async () => (await import("./commands/verify.ts")).verifyCommand,
  },
  repair: {
    summary: "save what can be saved of a store into a new one, and say what is lost",
    load: async () => (await import("./commands/repair.ts")).repairCommand,
  },
  torture: {
    summary: "crash stores on this disk, by every technique there is, and check them",
    load: async () => (await import("./torture/command.ts")).tortureCommand,
  },
};

/** Names and summaries, in order. */
export function listCommands(): (readonly [name: string, summary: string])[] {
  return Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary] as const);
}

export async function findCommand(name: string): Promise<Command | undefined> {
  return Object.hasOwn(COMMANDS, name) ? await COMMANDS[name]?.load() : undefined;
}
