/**
 * One life of a soak's host as the run sees it: starts the process under a limit of memory, hands on what it says, and
 * tells how it ended.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { serialize } from "node:v8";
import { decodeLine, type Job, type Line } from "./job.ts";

const HOST = fileURLToPath(new URL("./host.ts", import.meta.url));
/** A process that says nothing for so long hangs. Milliseconds; long, because machines under test are slow. */
const SILENCE_MS = 120_000;

export interface LifeEnd {
  /** Undefined if it ended as it was told to. */
  readonly wrong: string | undefined;
  readonly how: "closed" | "killed";
}

export async function live(
  job: Job,
  { file, heapMib, onLine }: { file: string; heapMib: number; onLine: (line: Line) => void },
): Promise<LifeEnd> {
  writeFileSync(file, serialize(job));
  const flags = ["--expose-gc", `--max-old-space-size=${heapMib}`, "--import", import.meta.resolve("tsx")];
  const child = spawn(process.execPath, [...flags, HOST, file], { stdio: ["pipe", "pipe", "pipe"] });
  let isSilent = false;
  const giveUp = (): void => {
    isSilent = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(giveUp, SILENCE_MS);
  let isClosed = false;
  let failure: string | undefined;
  let errors = "";
  const parts: string[] = [];
  const take = (text: string): void => {
    const line = decodeLine(text);
    if (line === undefined) return;
    if (line.type === "failed") failure = line.message;
    else if (line.type === "closed") isClosed = true;
    else onLine(line);
  };
  child.stdin.on("error", () => undefined);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, SILENCE_MS);
    const lines = text.split("\n");
    // A long line comes in many pieces.
    for (const [at, piece] of lines.entries()) {
      parts.push(piece);
      if (at < lines.length - 1) take(parts.splice(0).join(""));
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4_000);
  });
  // "close", not "exit": everything it said has been read by then.
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  clearTimeout(timer);
  rmSync(file, { force: true });
  const ended = signal ?? `code ${code}`;
  if (isSilent) return { wrong: `the host said nothing for ${SILENCE_MS / 1000} s`, how: "killed" };
  if (failure !== undefined) return { wrong: `the host failed: ${failure}`, how: "killed" };
  if (isClosed && code === 0) return { wrong: undefined, how: "closed" };
  if (job.death !== undefined && signal === "SIGKILL") return { wrong: undefined, how: "killed" };
  return { wrong: `the host ended by itself with ${ended}: ${errors}`, how: "killed" };
}
