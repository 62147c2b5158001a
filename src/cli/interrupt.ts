/**
 * Ctrl-C for commands that run long: the first one asks the command to end in order, the second ends the
 * process at once; a store takes that like any crash.
 */
import { EXIT } from "./command.ts";

/** Runs `work` with a signal that is aborted by SIGINT or SIGTERM. */
export async function withInterrupt<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interrupt = new AbortController();
  const onSignal = (): void => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work(interrupt.signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
