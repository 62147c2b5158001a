/** Starts and kills processes that own a store. See `owner-process.ts` for what they do. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("owner-process.ts", import.meta.url));

export class Owner {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly #ended: Promise<unknown>;
  #woken: () => void = () => undefined;

  constructor(t: { after(fn: () => void): void }, ...args: string[]) {
    this.process = spawn(process.execPath, ["--import", "tsx", PROGRAM, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => this.process.kill("SIGKILL"));
    this.#ended = once(this.process, "exit");
    if (this.process.stdout === null) throw new Error("no output to read");
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.lines.push(line);
      this.#woken();
    });
    this.process.on("exit", () => this.#woken());
  }

  /** Resolves when it has said this many lines. */
  async said(count: number): Promise<void> {
    while (this.lines.length < count) {
      if (this.process.exitCode !== null)
        throw new Error(`the process ended early: ${this.lines.join("\n")}`);
      await new Promise<void>((wake) => {
        this.#woken = wake;
      });
    }
  }

  /** Like pulling the plug of the process: no handler runs. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#ended;
  }

  async ended(): Promise<void> {
    await this.#ended;
  }
}
