/** The figures of an exploration in one line, for progress and for the end. */
import type { CrashReport } from "./explore.ts";

export function summarise(report: CrashReport): string {
  const { states, secondStates, goneOn, duplicates, workloads, moments } = report;
  return (
    `${states} different crash states of ${workloads} workloads (${moments} moments), ` +
    `${secondStates} of them inside a recovery, ${goneOn} gone on with, ${duplicates} met again`
  );
}
