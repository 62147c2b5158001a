/** `varve replay`: its command line, its streams and its exit codes. */
import { type Command, EXIT } from "../command.ts";
import { withInterrupt } from "../interrupt.ts";
import { parseReplay, REPLAY_HELP, type ReplayOptions } from "./options.ts";
import type { Outcome } from "./report.ts";
import { runReplay } from "./run.ts";

const EXIT_OF: Readonly<Record<Outcome, number>> = {
  verified: EXIT.ok,
  failed: 1,
  interrupted: EXIT.interrupted,
};

export const replayCommand: Command = {
  help: REPLAY_HELP,
  run: async (args, { out, color }) => {
    const options = parseReplay(args);
    if (options !== "help") return EXIT_OF[await replay(options, color)];
    await out.write(REPLAY_HELP);
    return EXIT.ok;
  },
};

async function replay(options: ReplayOptions, color: boolean): Promise<Outcome> {
  return await withInterrupt(async (signal) => {
    const { stdout, stderr } = process;
    // Loaded only now: mistakes in the arguments need no engine.
    const { openStore } = await import("../../index.ts");
    const report = await runReplay(options, { stdout, stderr, signal, color, open: openStore });
    return report.outcome;
  });
}
