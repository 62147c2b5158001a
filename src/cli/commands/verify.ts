/** `varve verify`: checks a store, live or closed, and says what is wrong and what a repair would keep. */
import { planRepair, type RepairReport } from "../../inspect/repair.ts";
import { type Finding, type StoreVerdict, verifyStore } from "../../inspect/verify.ts";
import { diskVfs } from "../../vfs/disk.ts";
import { readArguments } from "../arguments.ts";
import type { Command } from "../command.ts";
import { storePath } from "../directory.ts";
import { idText, type Paint, painter, printable } from "../text.ts";
import { count } from "../units.ts";
import { gapText, lossText } from "./repair-text.ts";

const HELP = `varve verify DIR [options]

Checks a store, live or closed, without its lock and without writing: that its files open,
every head and index can be read, the log is whole from the snapshot on, and what sessions
name is there. Says what is wrong, where, and what a repair would keep.

  --deep      also read and hash every blob and page, of both generations, decode every
              node, replay the log between the generations against the heads, and apply
              the log behind them
  --json      as JSON
  --help      print this

Exit codes: 0 clean, 1 repairable (the next owner mends it and nothing acknowledged is
lost: a torn tail, leftovers, a lost TAIL, a damaged generation beside a whole one),
2 damaged, 64 bad arguments, 65 of a newer format, 66 no store there.
`;

const EXIT_OF = { clean: 0, repairable: 1, damaged: 2 } as const;
const SHOWN_FINDINGS = 100;

export const verifyCommand: Command = {
  help: HELP,
  run: async (args, { out, color }) => {
    const { values, positionals } = readArguments(args, {
      command: "verify",
      positionals: ["DIR"],
      options: { deep: { type: "boolean" }, json: { type: "boolean" } },
    });
    const root = storePath(positionals[0] ?? "");
    const verdict = verifyStore(diskVfs, root, { deep: values.deep === true });
    const repair = verdict.verdict === "damaged" ? plan(root) : undefined;
    const json = { ...verdict, ...(repair === undefined ? {} : { repair }) };
    await out.write(
      values.json === true ? `${JSON.stringify(json)}\n` : verdictText(verdict, repair, painter(color)),
    );
    return EXIT_OF[verdict.verdict];
  },
};

/** A verdict stands also where nobody can tell what a repair would keep. */
function plan(root: string): RepairReport | undefined {
  try {
    return planRepair(diskVfs, root);
  } catch {
    return undefined;
  }
}

function verdictText(verdict: StoreVerdict, repair: RepairReport | undefined, paint: Paint): string {
  const { findings, owner, isDeep, manifest } = verdict;
  const color = verdict.verdict === "clean" ? "green" : verdict.verdict === "damaged" ? "red" : "yellow";
  const how = `${isDeep ? "read and hashed everything" : "files, heads, indexes and log"}${manifest === undefined ? "" : `, from manifest ${manifest}`}${owner.state === "open" ? ", beside its owner" : ""}`;
  const hidden = findings.length - SHOWN_FINDINGS;
  return [
    ...findings.slice(0, SHOWN_FINDINGS).map((finding) => findingText(finding, paint)),
    ...(hidden > 0 ? [`and ${count(hidden, "more finding")}, see --json`] : []),
    ...(repair === undefined ? [] : planLines(repair)),
    `${paint(color, verdict.verdict)}: ${how}`,
    "",
  ].join("\n");
}

function findingText(
  { severity, file, offset, sessionId, message, flippedBit }: Finding,
  paint: Paint,
): string {
  const mark = paint(severity === "damaged" ? "red" : "yellow", severity);
  const place = `${file}${offset === undefined ? "" : ` at ${offset}`}`;
  const whose =
    sessionId === undefined || message.includes(`"${sessionId}"`) ? "" : `, session ${idText(sessionId)}`;
  const bit =
    flippedBit === undefined
      ? ""
      : `\n            one flipped bit: byte ${flippedBit.offset}, bit ${flippedBit.bit}`;
  const said = message.includes(file) ? printable(message) : `${printable(place)}: ${printable(message)}`;
  return `${mark}  ${said}${whose}${bit}`;
}

function planLines({ sessions, losses, lostLsns }: RepairReport): string[] {
  return [
    `a repair would keep ${count(sessions, "session")}${losses.length + lostLsns.length === 0 ? " and lose nothing" : ", without:"}`,
    ...losses.map((loss) => `  ${lossText(loss)}`),
    ...lostLsns.map((gap) => `  ${gapText(gap)}`),
  ];
}
