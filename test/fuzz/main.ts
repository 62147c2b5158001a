/**
 * `npm run test:fuzz -- [--seconds 20] [--target NAME] [--seed N] [--folder tmp/fuzz]`, and to see a finding again
 * `npm run test:fuzz -- --target NAME --replay FILE`. Fuzzes every target for its share of the time, guided by
 * coverage. A second process does the work, so that an input which hangs it is found as well: what it is about
 * to run is on disk before it runs. Exits 1 if anything was found; findings are saved and told.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Coverage } from "./coverage.ts";
import { type Finding, Fuzzer, nameOf, tryTarget } from "./fuzzer.ts";
import { makeTargets, type Target } from "./targets.ts";

/** Silence of the working process after which its batch is taken for one that hangs. */
const HANG_MS = 60_000;

interface Said {
  readonly target: string;
  readonly inputs: number;
  readonly corpus: number;
  readonly blocks: number;
  readonly findings: readonly {
    readonly target: string;
    readonly base64: string;
    readonly message: string;
  }[];
  readonly isLast: boolean;
}

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return (at === -1 ? undefined : process.argv[at + 1]) ?? fallback;
}

const folder = option("folder", "tmp/fuzz");
const batchPath = join(folder, "running.json");

function targetNamed(name: string): Target {
  const target = makeTargets().find((one) => one.name === name);
  if (target === undefined) throw new Error(`no target "${name}"; there are ${names().join(", ")}`);
  return target;
}

function names(): string[] {
  return makeTargets().map(({ name }) => name);
}

/** The process that does the work: target after target, telling of each now and then. */
function work(): void {
  const only = option("target", "");
  const targets = only === "" ? makeTargets() : [targetNamed(only)];
  const coverage = new Coverage((url) => url.includes("/src/"));
  const share = (1000 * Number(option("seconds", "20"))) / targets.length;
  for (const [index, target] of targets.entries()) {
    const fuzzer = new Fuzzer(target, Number(option("seed", "1")), coverage);
    const end = performance.now() + share;
    do {
      const batch = fuzzer.nextBatch();
      const inputs = batch.map((input) => Buffer.from(input).toString("base64"));
      writeFileSync(batchPath, JSON.stringify({ target: target.name, inputs }));
      fuzzer.runBatch(batch);
    } while (performance.now() < end && !fuzzer.isDone);
    const findings = fuzzer.findings.map(({ target: name, input, message }) => ({
      target: name,
      base64: Buffer.from(input).toString("base64"),
      message,
    }));
    const { inputs, corpusSize } = fuzzer;
    const isLast = index === targets.length - 1;
    process.send?.({
      target: target.name,
      inputs,
      corpus: corpusSize,
      blocks: coverage.blocks,
      findings,
      isLast,
    } satisfies Said);
  }
}

/** Watches the working process; the number of findings. */
async function watch(): Promise<number> {
  mkdirSync(folder, { recursive: true });
  rmSync(batchPath, { force: true });
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--child"], {
    execArgv: ["--enable-source-maps", "--import", "tsx"],
  });
  let found = 0;
  let seen = "";
  let since = Date.now();
  const timer = setInterval(() => {
    const now = readBatch();
    if (now !== seen) {
      seen = now;
      since = Date.now();
    } else if (Date.now() - since > HANG_MS) child.kill("SIGKILL");
  }, 1000);
  child.on("message", ({ target, inputs, corpus, blocks, findings }: Said) => {
    console.log(`${target}: ${inputs} inputs, ${corpus} kept, ${blocks} blocks reached`);
    for (const finding of findings)
      found += save({ ...finding, input: Buffer.from(finding.base64, "base64") });
  });
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  clearInterval(timer);
  if (code === 0) return found;
  const { target, inputs } = JSON.parse(readBatch()) as { target: string; inputs: string[] };
  console.log(`${target}: ended or hung in a batch of ${inputs.length} inputs; each saved`);
  for (const base64 of inputs)
    save({ target, input: Buffer.from(base64, "base64"), message: "one of these" });
  return found + 1;
}

function readBatch(): string {
  try {
    return readFileSync(batchPath, "utf8");
  } catch {
    return "";
  }
}

function save(finding: Finding): number {
  const path = join(folder, nameOf(finding));
  writeFileSync(path, finding.input);
  console.log(`FOUND ${finding.message}\nnpm run test:fuzz -- --target "${finding.target}" --replay ${path}`);
  return 1;
}

function again(path: string): number {
  const error = tryTarget(targetNamed(option("target", "")), readFileSync(path));
  console.log(error === undefined ? "answered, or refused with a typed error" : error.stack);
  return error === undefined ? 0 : 1;
}

if (process.argv.includes("--child")) work();
else if (option("replay", "") !== "") process.exitCode = again(option("replay", ""));
else process.exitCode = (await watch()) > 0 ? 1 : 0;
