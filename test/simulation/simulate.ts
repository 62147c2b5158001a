/**
 * A whole simulation: several lives of one store on one machine, then a last look at everything, and the
 * judgement of the history. The same seed gives the same trace.
 */

import { describeEvent, describeViolation } from "../../src/testing/history/describe.ts";
import { History } from "../../src/testing/history/history.ts";
import { Machine } from "../../src/testing/simulation/machine.ts";
import { Coverage } from "./coverage.ts";
import { Notebook } from "./host-mind.ts";
import { Life, type World } from "./life.ts";
import { Rot } from "./rot.ts";
import { drawSettings, type Settings } from "./settings.ts";

export interface SimulationReport {
  readonly seed: number;
  /** Broken promises, in words; empty if all held. */
  readonly broken: readonly string[];
  readonly digest: string;
  readonly lines: number;
  readonly coverage: Coverage;
  readonly settings: Settings;
}

export async function simulate(seed: number, listener?: (line: string) => void): Promise<SimulationReport> {
  const machine = new Machine(seed, listener);
  const settings = drawSettings(machine.random("settings"));
  const history = new History({
    now: () => machine.scheduler.now,
    onEvent: (event) => machine.trace.add(`        ${describeEvent(event)}`),
  });
  const coverage = new Coverage();
  const notebook = new Notebook(settings.sessions);
  const world: World = { machine, settings, history, notebook, coverage, rot: new Rot() };
  const broken: string[] = [];
  try {
    await run(world);
  } catch (error) {
    broken.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  broken.push(...history.check().map(describeViolation));
  return { seed, broken, digest: machine.trace.digest(), lines: machine.trace.lines, coverage, settings };
}

async function run(world: World): Promise<void> {
  const { machine, history, settings, coverage } = world;
  machine.onDeath = (process, how) => {
    if (!process.name.startsWith("owner")) return;
    coverage.add(`end: ${how}`);
    history.ended(how);
  };
  for (let number = 0; number < settings.lives; number++) await new Life(world, number).live();
  const quiet = { ...settings, faults: 0, fullDisk: 0, slowDisk: 0, clockJump: 0, rot: 0 };
  for (const number of [1, 2]) await lookAtEverything({ ...world, settings: quiet }, number);
}

/** No more trouble: the store opens, shows what it must, gives its garbage back, and is whole. */
async function lookAtEverything(world: World, number: number): Promise<void> {
  const life = new Life(world, 1000 + number);
  await life.inspect();
}
