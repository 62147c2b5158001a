/** `npm run bench`; also the entry of the process that one bench runs in. */
import { runBenchCommand } from "./command.ts";

process.exitCode = 70;
process.exitCode = await runBenchCommand(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
});
