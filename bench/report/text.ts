/** A result for the terminal and as Markdown: tables, what it is beside, what it does not measure. */
import type { BenchResult } from "../support/bench.ts";
import type { MachineFacts } from "../support/machine.ts";
import { type Cells, cellsOf, requirementCells } from "./rows.ts";

export function terminal(result: BenchResult): string {
  const lines = [
    `\n${result.question}  (${result.name}, ${result.seconds.toFixed(0)} s, ${result.rounds} rounds)`,
  ];
  lines.push(`  beside: ${result.baseline}`);
  for (const line of result.absent) lines.push(`  ${line}`);
  const requirements = requirementCells(result);
  if (requirements !== undefined) lines.push(columns(requirements), "");
  lines.push(columns(cellsOf(result)));
  for (const line of result.notes ?? []) lines.push(`  ${line}`);
  for (const line of result.verified) lines.push(`  verified: ${line}`);
  lines.push(`  not measured: ${result.notMeasured}`);
  for (const line of result.doubts) lines.push(`  DO NOT TRUST: ${line}`);
  return lines.join("\n");
}

export function machineLine(machine: MachineFacts): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${machine.cpu}, ${machine.cpus} processors, ${machine.memoryGib} GiB`,
    machine.kernel,
    `${machine.fileSystem} on ${machine.disk}`,
    `Node ${machine.node}`,
    ...versions,
  ].join(" · ");
}

/** Numbers to the right, words to the left. */
function columns({ head, body }: Cells): string {
  const table = [head, ...body];
  const widths = head.map((_, at) => Math.max(...table.map((row) => (row[at] ?? "").length)));
  const isNumber = head.map((_, at) => body.every((row) => /^([\d.,–×-]|baseline)*$/.test(row[at] ?? "")));
  return table
    .map((row) =>
      row
        .map((text, at) => (isNumber[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join("\n");
}

export function markdown({ head, body }: Cells): string {
  const line = (row: readonly string[]): string =>
    `| ${row.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...body.map(line)].join("\n");
}
