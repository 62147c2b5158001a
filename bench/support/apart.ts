/**
 * Work in a process of its own, for figures about a whole process: what another measurement left in this one must
 * not count. The file that does the work calls `answerApart`; whoever wants it calls `apart` with that file.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Answers what the file at `entry` makes of `input`. */
export function apart<Answer>(entry: URL, input: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(entry), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    let answer: { readonly value: Answer } | undefined;
    child.on("message", (value) => {
      answer = { value: value as Answer };
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (answer !== undefined) resolve(answer.value);
      else reject(new Error(`a measurement's own process ended with ${signal ?? code}`));
    });
    child.send(input as object);
  });
}

/** In the process that works: `input` is what `apart` was given. */
export function answerApart<Input>(work: (input: Input) => Promise<object>): void {
  process.once("message", async (input) => {
    const answer = await work(input as Input);
    process.send?.(answer, () => process.disconnect());
  });
}

export function rssMib(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}
