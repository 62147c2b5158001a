/** Runs one bench and puts around its figures what is needed to judge them. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench, BenchResult, BenchRun } from "./bench.ts";
import { watchOthers } from "./machine.ts";

export async function runOne(
  bench: Bench,
  options: { size: BenchRun["size"]; directory: string; rounds: number; say: (line: string) => void },
): Promise<BenchResult> {
  const directory = join(options.directory, bench.name);
  mkdirSync(directory, { recursive: true });
  const others = watchOthers();
  const started = performance.now();
  try {
    const measured = await bench.run({ ...options, directory });
    const busy = others();
    const doubts = [
      ...(options.size === "small" ? ["a small run only shows that the bench works"] : []),
      ...(busy === undefined ? [] : [busy]),
    ];
    const { name, question, baseline, notMeasured } = bench;
    const seconds = (performance.now() - started) / 1000;
    return { name, question, baseline, notMeasured, seconds, rounds: options.rounds, doubts, ...measured };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
