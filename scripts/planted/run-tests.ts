/**
 * Runs a test file, or some of its tests, in a workshop, and tells how each ended by node's TAP report. It
 * deliberately judges nothing: whether a failure is the one that was wanted, the caller knows.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compiledPath } from "./compile.ts";
import type { Form, Workshop } from "./workshop.ts";

/** Milliseconds that a file's tests may take unbroken, on a busy machine. */
export const UNBROKEN_MS = 600_000;
/** Milliseconds behind the runner's own time-out after which it is ended by force, worker threads and all. */
const GRACE_MS = 10_000;
/** Time is counted in so many milliseconds: what passes while this process is stopped is nobody's. */
const TICK_MS = 100;
/**
 * A break may also make a test hang; that is met too. How long it may take then: this many times what the
 * file's tests took unbroken, and at least so many milliseconds.
 */
const BROKEN_FACTOR = 5;
const BROKEN_MS = 15_000;

export function brokenMs(unbrokenMs: number): number {
  return Math.ceil(BROKEN_MS + BROKEN_FACTOR * unbrokenMs);
}

export interface TestRun {
  /** Names of tests that passed, failed, and said that this machine cannot do them. */
  readonly passed: ReadonlySet<string>;
  /** In the order in which they failed, a test before the one it is part of. */
  readonly failed: ReadonlySet<string>;
  readonly skipped: ReadonlySet<string>;
  /** It ran out of time. */
  readonly hung: boolean;
  readonly output: string;
}

export interface Asked {
  readonly file: string;
  /** Only these tests; all of the file without. */
  readonly names?: readonly string[];
  readonly timeoutMs: number;
  /** Compiled needs a workshop that was. */
  readonly form: Form;
  /** Whether the run may be ended once a test failed. */
  readonly until: "end" | "first failure";
  /** Added to the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Counterexamples are not shrunk: that one was found is enough. */
export async function runTests(workshop: Workshop, asked: Asked): Promise<TestRun> {
  const { file, names = [], timeoutMs, form, until } = asked;
  const child = spawn(
    process.execPath,
    [
      ...(form === "source" ? ["--import", "tsx", "--test", `--test-timeout=${timeoutMs}`] : []),
      ...(drawsCases(file) ? ["--import", "./scripts/planted/no-shrinking.mjs"] : []),
      "--test-reporter=tap",
      ...names.map((name) => `--test-name-pattern=${escapePattern(name)}`),
      form === "source" ? file : compiledPath(file),
    ],
    {
      cwd: workshop.root,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...environment(workshop), ...asked.environment },
    },
  );
  // The whole group: the test file may be a child of the runner, and have children.
  const end = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  let output = "";
  let ended = false;
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    if (ended || until === "end" || !hasFailed(output)) return;
    ended = true;
    end();
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  let outOfTime = false;
  let ticksLeft = Math.ceil((form === "source" ? timeoutMs + GRACE_MS : timeoutMs) / TICK_MS);
  const timer = setInterval(() => {
    if (--ticksLeft > 0) return;
    outOfTime = true;
    end();
  }, TICK_MS);
  await new Promise((settle) => child.on("close", settle));
  clearInterval(timer);
  const hung = outOfTime || output.includes("failureType: 'testTimeoutFailure'");
  return { ...readTap(output), hung, output };
}

/** Whether a test file, or a test module it imports, draws its cases with fast-check. */
export function drawsCases(file: string, seen = new Set<string>()): boolean {
  if (seen.has(file) || !existsSync(file)) return false;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  if (text.includes('from "fast-check"')) return true;
  const imports = [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, target = ""]) =>
    join(dirname(file), target),
  );
  return imports.some((target) => target.startsWith("test") && drawsCases(target, seen));
}

export function tail(output: string): string {
  return output.split("\n").slice(-40).join("\n");
}

/** A test run inside a test run would report to its parent instead of to us. */
function environment(workshop: Workshop): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _parent, ...rest } = process.env;
  return { ...rest, TMPDIR: workshop.temporary };
}

function hasFailed(output: string): boolean {
  return /^\s*not ok .*\n/m.test(output);
}

function readTap(output: string): { passed: Set<string>; failed: Set<string>; skipped: Set<string> } {
  const passed = new Set<string>();
  const skipped = new Set<string>();
  const failed = new Set<string>();
  for (const match of output.matchAll(/^\s*(not ok|ok) \d+ - (.*?)(?: # (SKIP|TODO|CANCELLED).*)?$/gm)) {
    const [, verdict, name = "", directive] = match;
    const ended = directive === "SKIP" ? skipped : verdict === "ok" ? passed : failed;
    ended.add(name.replace(/\\([\\#])/g, "$1"));
  }
  return { passed, failed, skipped };
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
