/** The `varve` command as a child process, and what tests do to a store between two runs. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { parseReplay } from "../../src/cli/replay/options.ts";
import type { ReplayReport } from "../../src/cli/replay/report.ts";
import { runReplay } from "../../src/cli/replay/run.ts";
import { openStore } from "../../src/index.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
}

/** Starts the command; it is killed at the end of the test if it still runs. */
export function start(t: TestContext, ...args: string[]): Running {
  return startWith(t, {}, args);
}

function startWith(
  t: TestContext,
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
): Running {
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  t.after(() => child.kill("SIGKILL"));
  return { child, finished };
}

export function run(t: TestContext, ...args: string[]): Promise<Finished> {
  return start(t, ...args).finished;
}

/** With these variables of the environment beside its own. */
export function runWith(
  t: TestContext,
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<Finished> {
  return startWith(t, environment, args).finished;
}

/** `varve replay --json …` and its report. */
export async function replay(
  t: TestContext,
  ...args: string[]
): Promise<Finished & { report: ReplayReport }> {
  const finished = await run(t, "replay", "--json", ...args);
  try {
    return { ...finished, report: JSON.parse(finished.stdout) as ReplayReport };
  } catch {
    throw new Error(`no report: ${finished.stdout}${finished.stderr}`);
  }
}

/** The same inside this process, for what only prepares a test: it saves starting Node again. */
export async function record(...args: string[]): Promise<ReplayReport> {
  const options = parseReplay(["--json", ...args]);
  if (options === "help") throw new Error("asked for help");
  const silent = { write: () => true };
  const { signal } = new AbortController();
  return await runReplay(options, { stdout: silent, stderr: silent, signal, color: false, open: openStore });
}

export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/transcripts/${name}`, import.meta.url));
}

/** Eight sessions of fifty commits; the same again goes on; `CHECK` only verifies what is there. */
export const SMALL = ["--sessions", "8", "--commits", "400"];
export const CHECK = ["--sessions", "8", "--commits", "0"];

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "varve-cli-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Inverts one byte of the first file below `folder` that holds `text`, inside that text; answers its name. */
export async function alterByteOf(directory: string, folder: string, text: string): Promise<string> {
  for (const name of (await readdir(join(directory, folder))).sort()) {
    const path = join(directory, folder, name);
    const bytes = await readFile(path);
    const at = bytes.indexOf(text);
    if (at === -1) continue;
    bytes[at + 1] = (bytes[at + 1] ?? 0) ^ 0xff;
    await writeFile(path, bytes);
    return name;
  }
  throw new Error(`no file in ${folder} holds ${text}`);
}

/** Inverts the byte in the middle of the largest file below `folder`; answers its name. */
export async function alterMiddleOfLargest(directory: string, folder: string): Promise<string> {
  let largest = { name: "", bytes: Buffer.alloc(0) };
  for (const name of await readdir(join(directory, folder))) {
    const bytes = await readFile(join(directory, folder, name));
    if (bytes.length > largest.bytes.length) largest = { name, bytes };
  }
  const { name, bytes } = largest;
  if (bytes.length === 0) throw new Error(`no file in ${folder}`);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  await writeFile(join(directory, folder, name), bytes);
  return name;
}
