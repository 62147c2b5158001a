/** The one table that is shown first: who makes how many commits durable, and at what latency. */
import type { Run } from "../support/bench.ts";
import { short } from "./numbers.ts";
import type { Cells } from "./rows.ts";

/** Benches that it is made of. */
export const HEADLINE_BENCHES: readonly string[] = ["one-commit", "group-commit"];
const COMMITTERS = [1, 64, 1024];
/** The prototype is a yardstick, not something a reader could use. */
const LEFT_OUT = ["ring prototype", "bare loop, preallocated file"];

export function headline(run: Run): Cells | undefined {
  const many = run.results.find(({ name }) => name === "group-commit");
  const one = run.results.find(({ name }) => name === "one-commit");
  if (many === undefined || one === undefined) return undefined;
  const subjects = [...new Set([...many.rows, ...one.rows].map(({ subject }) => subject))]
    .filter((subject) => !LEFT_OUT.includes(subject))
    .sort((a, b) => Number(b === "varve") - Number(a === "varve"));
  const columns = COMMITTERS.filter((x) => many.rows.some((row) => row.x === x));
  const body = subjects.map((subject) => {
    const alone = one.rows.find((row) => row.subject === subject);
    const any = alone ?? many.rows.find((row) => row.subject === subject);
    const { p50, p99 } = alone?.figures ?? {};
    const rates = columns.map((x) => {
      const row = many.rows.find((found) => found.subject === subject && found.x === x);
      const rate = row?.figures.rate ?? (x === 1 ? alone?.figures.rate : undefined);
      return rate === undefined ? "" : short(rate.median);
    });
    const name = subject === "varve" ? "**varve**" : subject;
    return [
      name,
      p50 === undefined ? "" : short(p50.median),
      p99 === undefined ? "" : short(p99.median),
      ...rates,
      any?.durability ?? "",
    ];
  });
  return {
    head: [
      "durable commits of 1 KB",
      "one commit, p50 µs",
      "p99 µs",
      ...columns.map((x) => `per second, ${x.toLocaleString("en")} committer${x === 1 ? "" : "s"}`),
      "acknowledged means",
    ],
    body,
  };
}
