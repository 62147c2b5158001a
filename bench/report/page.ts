/**
 * A run as one HTML file: no script, no font, nothing from elsewhere, so that it can be mailed, kept and shown.
 * What should not be trusted is said above the figures it is about.
 */
import type { BenchResult, Run } from "../support/bench.ts";
import { headline } from "./headline.ts";
import { plot } from "./plots.ts";
import { type Cells, cellsOf, requirementCells } from "./rows.ts";
import { STYLE } from "./style.ts";
import { element, escapeText } from "./svg.ts";

export function page(run: Run): string {
  const first = headline(run);
  const figures = run.results.find(({ requirements }) => requirements !== undefined);
  const links = run.results.map(({ name, question }) =>
    element("a", { href: `#${name}` }, escapeText(question)),
  );
  const body = [
    element("h1", {}, "Varve, measured"),
    element(
      "p",
      { class: "soft" },
      `An embedded, durable session store for agent hosts, beside what one would use instead. ${escapeText(run.startedAt.slice(0, 10))}.`,
    ),
    doubtsOf([
      ...run.machine.doubts,
      ...(run.size === "small" ? ["a small run only shows that the benches work"] : []),
    ]),
    facts(run),
    HOW_TO_READ,
    element("nav", {}, links.join("")),
    first === undefined ? "" : section("Durable commits at a glance", "headline", table(first, "subjects")),
    figures === undefined ? "" : requirements(figures),
    ...run.results.filter(({ requirements: held }) => held === undefined).map(resultSection),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Varve, measured</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body.join("\n")}
</main>
</body>
</html>
`;
}

const HOW_TO_READ = element(
  "p",
  { class: "soft" },
  `Figures are medians over interleaved rounds; a bar through a point spans the middle rounds. Ratios are taken inside
a round. Solid lines and filled dots survive a power loss once acknowledged; dashed lines and hollow dots
lose their latest commits to one. Absolute times are this machine's; the ratios travel better.`,
);

function facts({ machine }: Run): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const known = [
    ["Processor", `${machine.cpu}, ${machine.cpus} of them, ${machine.memoryGib} GiB of memory`],
    ["Disk", `${machine.fileSystem} on ${machine.disk}`],
    ["Kernel", machine.kernel],
    ["Node", machine.node],
    ["Packages", versions.join(", ")],
    ["Load average before", machine.loadBefore.toFixed(2)],
  ] as const;
  const list = known.map(([name, value]) =>
    element("div", {}, element("dt", {}, name) + element("dd", {}, escapeText(value))),
  );
  return element("dl", { class: "facts" }, list.join(""));
}

function requirements(result: BenchResult): string {
  const cells = requirementCells(result);
  return section(
    result.question,
    result.name,
    [
      doubtsOf(result.doubts),
      element(
        "p",
        { class: "soft" },
        "The prototype is a log on its own thread without sessions, in the same rounds: the limit of this machine.",
      ),
      cells === undefined ? "" : table(cells, "demands"),
      allFigures(result),
      notMeasured(result),
    ].join("\n"),
  );
}

function resultSection(result: BenchResult): string {
  const plots = result.plots.flatMap((spec) => plot(spec, result) ?? []);
  return section(
    result.question,
    result.name,
    [
      element("p", { class: "soft" }, `Beside ${escapeText(result.baseline)}.`),
      doubtsOf(result.doubts),
      plots.length === 0 ? "" : element("div", { class: "plots" }, plots.join("\n")),
      ...(result.notes ?? []).map((note) => element("p", {}, escapeText(note))),
      ...result.absent.map((line) => element("p", { class: "soft" }, escapeText(line))),
      allFigures(result),
      notMeasured(result),
    ].join("\n"),
  );
}

function notMeasured(result: BenchResult): string {
  return element("p", { class: "soft" }, `Not measured: ${escapeText(result.notMeasured)}`);
}

/** The whole table and what was read back, folded away: the plots are what is looked at first. */
function allFigures(result: BenchResult): string {
  const summary = element("summary", {}, `All figures, ${result.rounds} rounds, and what was verified`);
  const verified = result.verified.map((line) => element("li", {}, escapeText(line)));
  const list = verified.length === 0 ? "" : element("ul", { class: "soft" }, verified.join(""));
  return element("details", {}, summary + table(cellsOf(result), "subjects") + list);
}

function section(title: string, id: string, inner: string): string {
  return element("section", { id }, `${element("h2", {}, escapeText(title))}\n${inner}`);
}

function doubtsOf(doubts: readonly string[]): string {
  if (doubts.length === 0) return "";
  return element("p", { class: "doubt" }, `Not to be trusted: ${escapeText(doubts.join("; "))}.`);
}

function table({ head, body }: Cells, kind: "subjects" | "demands"): string {
  const isNumber = head.map((_, at) => body.every((row) => /^([\d.,–×-]|baseline)*$/.test(row[at] ?? "")));
  const row = (cells: readonly string[], name: "th" | "td"): string =>
    cells
      .map((text, at) => {
        const plain = escapeText(text.replaceAll("**", ""));
        const classes = [isNumber[at] ? "number" : "", verdictClass(text)].filter((part) => part !== "");
        return element(name, classes.length === 0 ? {} : { class: classes.join(" ") }, plain);
      })
      .join("");
  const lines = body.map((cells) => {
    const isOwn = kind === "subjects" && cells.some((text) => /^(\*\*)?varve/.test(text));
    return element("tr", isOwn ? { class: "own" } : {}, row(cells, "td"));
  });
  const inner =
    element("thead", {}, element("tr", {}, row(head, "th"))) + element("tbody", {}, lines.join("\n"));
  return element("div", { class: "table" }, element("table", {}, inner));
}

function verdictClass(text: string): string {
  if (text === "met") return "met";
  return text.startsWith("missed") ? "missed" : "";
}
