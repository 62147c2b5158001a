/**
 * A load process as its parent sees it: starts it, follows what it says, kills it. It keeps the knowledge of
 * what was acknowledged, which is what every check rests on.
 *
 * 1. An acknowledgement counts when it was read here, and only until `stopCounting`.
 * 2. Every wait ends: when the process does, or after a named time.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { KnownLane } from "./check.ts";
import { decodeLine, type Job, type Line } from "./job.ts";

/** A process that says nothing for so long hangs. Milliseconds; long, because machines under test are slow. */
export const SILENCE_MS = 120_000;

/** How a load process is started; another program than our own lets tests plant a bug in it. */
export interface Launch {
  /** Path of `load-worker`, as source or built. */
  readonly program: string;
  /** Put in front of the command: a tracer. */
  readonly wrapper?: readonly string[];
}

export const OWN_PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./load-worker.ts" : "./load-worker.js", import.meta.url),
);

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class LoadProcess {
  readonly process: ChildProcess;
  /** What it said that is neither an acknowledgement nor "did". */
  readonly lines: Line[] = [];
  /** Acknowledgements that counted. */
  acknowledged = 0;
  snapshots = 0;
  collections = 0;
  readonly ended: Promise<Ending>;
  readonly #known: KnownLane[];
  #counts = true;
  #rest = "";
  #errors = "";
  #woken: () => void = () => undefined;
  #hasEnded = false;

  constructor(launch: Launch, job: Job) {
    const command = [
      ...(launch.wrapper ?? []),
      process.execPath,
      ...loaderOf(launch.program),
      launch.program,
    ];
    const [file = process.execPath, ...args] = [...command, JSON.stringify(job)];
    // A group of its own: a tracer and what it traces are ended together.
    const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    this.process = child;
    this.#known = [...job.known];
    child.stdin.on("error", () => undefined);
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-4_000);
    });
    // "close", not "exit": everything it said has been read by then.
    this.ended = once(child, "close").then(([code, signal]) => {
      this.#hasEnded = true;
      this.#woken();
      return { code, signal } as Ending;
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }
  get known(): readonly KnownLane[] {
    return this.#known;
  }
  get errors(): string {
    return this.#errors;
  }
  get hasChecked(): boolean {
    return this.lines.some(({ type }) => type === "checked");
  }
  /** What it found wrong, or that it failed. */
  get complaint(): string | undefined {
    for (const line of this.lines) {
      if (line.type === "violation") return line.message;
      if (line.type === "failed") return `${line.code}: ${line.message}`;
    }
    return undefined;
  }
  /** Only what the check or the load found wrong: a store that failed may have been made to fail. */
  get violation(): string | undefined {
    const found = this.lines.find(({ type }) => type === "violation");
    return found?.type === "violation" ? found.message : undefined;
  }

  /** From now on acknowledgements are seen and do not count. */
  stopCounting(): void {
    this.#counts = false;
  }

  /** Resolves when `met` is, when the process ended, or after `timeoutMs`; answers whether it was met. */
  async until(met: () => boolean, timeoutMs = SILENCE_MS): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    while (!met() && !this.#hasEnded && Date.now() < deadline) {
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, deadline - Date.now());
        this.#woken = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
    return met();
  }

  /** No handler runs in it. Resolves when it is gone and all it said was read. */
  async kill(): Promise<Ending> {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
    return await this.ended;
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#follow(decodeLine(line));
    this.#woken();
  }

  #follow(line: Line | undefined): void {
    if (line === undefined) return;
    if (line.type === "told") {
      if (this.#counts) this.acknowledged++;
      this.#advance(line.lane, line.position);
    } else if (line.type === "did") {
      if (line.what === "snapshot") this.snapshots++;
      else this.collections++;
    } else {
      // Read from a recovered store: durable, so it must not vanish again.
      if (line.type === "checked")
        for (const [lane, position] of line.positions.entries()) this.#advance(lane, position);
      this.lines.push(line);
    }
  }

  #advance(lane: number, position: KnownLane["told"]): void {
    const before = this.#known[lane];
    if (before === undefined) return;
    this.#known[lane] = {
      acknowledged: this.#counts ? position : before.acknowledged,
      told: position,
    };
  }
}

/** Source files need the loader that this process was started with. */
function loaderOf(program: string): string[] {
  return program.endsWith(".ts") ? ["--import", import.meta.resolve("tsx")] : [];
}
