/** `varve torture`: its command line, its streams and its exit codes. */
import { type Command, EXIT } from "../command.ts";
import { withInterrupt } from "../interrupt.ts";
import { Progress } from "../replay/progress.ts";
import { parseTorture, TORTURE_HELP } from "./options.ts";
import { progressLine, reportText } from "./report-text.ts";
import type { TortureReport } from "./run.ts";

const EXIT_OF: Readonly<Record<TortureReport["outcome"], number>> = {
  survived: EXIT.ok,
  failed: 1,
  partial: 2,
  untested: 2,
  interrupted: EXIT.interrupted,
};

export const tortureCommand: Command = {
  help: TORTURE_HELP,
  run: async (args, { out }) => {
    const { json, ...options } = parseTorture(args);
    // Loaded only now: mistakes in the arguments need no engine.
    const { runTorture } = await import("./run.ts");
    const progress = new Progress(process.stderr);
    progress.show(() => "preparing");
    const report = await withInterrupt(async (signal) => {
      try {
        return await runTorture({
          ...options,
          signal,
          onProgress: (now) => progress.show(() => progressLine(now, options.milliseconds)),
        });
      } finally {
        progress.stop();
      }
    });
    await out.write(json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
    return EXIT_OF[report.outcome];
  },
};
