/**
 * Work in a process of its own, for figures about a whole process: what another measurement left in this one must
 * not count. The file that does the work calls `answerApart`; whoever wants it calls `apart` with that file.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { countAsOwn } from "./machine.ts";

/** What the process answers, and the processor time it took: it is none of the others' (`machine.ts`). */
interface Told<Answer> {
  readonly value: Answer;
  readonly cpuMillis: number;
}

/** Answers what the file at `entry` makes of `input`. */
export function apart<Answer>(entry: URL, input: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(entry), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    let answer: Told<Answer> | undefined;
    child.on("message", (told) => {
      answer = told as Told<Answer>;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (answer === undefined)
        return reject(new Error(`a measurement's own process ended with ${signal ?? code}`));
      countAsOwn(answer.cpuMillis);
      resolve(answer.value);
    });
    child.send(input as object);
  });
}

/** In the process that works: `input` is what `apart` was given. */
export function answerApart<Input>(work: (input: Input) => Promise<object>): void {
  process.once("message", async (input) => {
    const value = await work(input as Input);
    const { user, system } = process.cpuUsage();
    const told: Told<object> = { value, cpuMillis: (user + system) / 1000 };
    process.send?.(told, () => process.disconnect());
  });
}

export function rssMib(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}
