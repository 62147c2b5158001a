/** `varve log`: every frame of the log, one line each, and the places where none stands. Writes nothing. */
import {
  type FrameEntry,
  type HoleEntry,
  type LogEntry,
  logEntries,
  type SegmentEntry,
} from "../../inspect/log-entries.ts";
import { diskVfs } from "../../vfs/disk.ts";
import { parseCount, readArguments } from "../arguments.ts";
import { type Command, EXIT, UsageError } from "../command.ts";
import { storePath } from "../directory.ts";
import { idText, type Paint, painter, printable } from "../text.ts";
import { size } from "../units.ts";

const TYPES = [
  "commit",
  "meta",
  "tombstone",
  "vacuum",
  "delete",
  "blob",
  "link",
  "seal",
  "unreadable",
  "hole",
];

const HELP = `varve log DIR [options]

Prints the log: one line a frame, with offset, LSN, durable LSN, checksum, what its record
is, whose, and its size. Places where no frame verifies are marked "torn" (begun and never
proven durable) or "corrupt" (something durable stood there), and the walk goes on behind
them. Reads a live, closed or damaged store without its lock and writes nothing.

  --from LSN      from that LSN on
  --to LSN        up to that LSN
  --session ID    records of that session only
  --type TYPE     only these: ${TYPES.slice(0, 6).join(", ")},
                  ${TYPES.slice(6).join(", ")}
  --json          one JSON object a line
  --help          print this

Holes are shown whatever --session says: what stood in them is not known.

Exit codes: 0 read to the end, 1 something in it is corrupt, 64 bad arguments,
65 not readable at all, 66 no store there.
`;

const SOMETHING_CORRUPT = 1;
/** Enough of a ref to find it again; --json has all of it. */
const REF_DIGITS = 12;
const MOST_DETAIL = 80;
const WIDEST = { offset: 10, lsn: 8, type: 10 } as const;

interface Wanted {
  readonly from: number;
  readonly to: number;
  readonly session: string | undefined;
  readonly type: string | undefined;
}

export const logCommand: Command = {
  help: HELP,
  run: async (args, { out, color }) => {
    const { values, positionals } = readArguments(args, {
      command: "log",
      positionals: ["DIR"],
      options: {
        from: { type: "string" },
        to: { type: "string" },
        session: { type: "string" },
        type: { type: "string" },
        json: { type: "boolean" },
      },
    });
    const most = Number.MAX_SAFE_INTEGER;
    const wanted: Wanted = {
      from: values.from === undefined ? 0 : parseCount("from", values.from, 0, most),
      to: values.to === undefined ? most : parseCount("to", values.to, 0, most),
      session: values.session,
      type: values.type,
    };
    if (wanted.type !== undefined && !TYPES.includes(wanted.type))
      throw new UsageError(`--type must be one of ${TYPES.join(", ")}`);
    const paint = painter(color);
    let code: number = EXIT.ok;
    for (const entry of logEntries(diskVfs, storePath(positionals[0] ?? ""))) {
      if (out.gone) break;
      if (isCorrupt(entry)) code = SOMETHING_CORRUPT;
      if (!isWanted(entry, wanted)) continue;
      await out.write(`${values.json === true ? JSON.stringify(entry) : entryText(entry, paint)}\n`);
    }
    return code;
  },
};

function isCorrupt(entry: LogEntry): boolean {
  if (entry.kind === "hole") return entry.verdict === "corrupt";
  return entry.kind === "segment" ? entry.state === "damaged" : entry.type === "unreadable";
}

function isWanted(entry: LogEntry, { from, to, session, type }: Wanted): boolean {
  if (entry.kind === "segment")
    return session === undefined && type === undefined && from === 0 && to === Number.MAX_SAFE_INTEGER;
  if (entry.kind === "hole") {
    if (type !== undefined && type !== "hole") return false;
    return (entry.lastLsn ?? Number.MAX_SAFE_INTEGER) >= from && entry.firstLsn <= to;
  }
  if (entry.lsn < from || entry.lsn > to) return false;
  if (session !== undefined && entry.session !== session) return false;
  return type === undefined || entry.type === type;
}

function entryText(entry: LogEntry, paint: Paint): string {
  switch (entry.kind) {
    case "segment":
      return segmentText(entry, paint);
    case "frame":
      return frameText(entry, paint);
    case "hole":
      return holeText(entry, paint);
  }
}

function segmentText({ file, bytes, state, problem }: SegmentEntry, paint: Paint): string {
  const wrong = problem === undefined ? "" : `  ${paint("red", printable(problem))}`;
  return paint("bold", `${file}  ${size(bytes)}  ${state}`) + wrong;
}

function frameText(entry: FrameEntry, paint: Paint): string {
  const { offset, lsn, durableLsn, crc, type, payloadBytes, session, revision, detail } = entry;
  const whose = session === undefined ? "" : `  ${idText(session)}`;
  const which = revision === undefined ? "" : ` r${revision}`;
  const more = Object.entries(detail).map(
    ([key, value]) => `${key} ${printable(String(value), key === "ref" ? REF_DIGITS : MOST_DETAIL)}`,
  );
  return [
    `${String(offset).padStart(WIDEST.offset)}`,
    `LSN ${String(lsn).padEnd(WIDEST.lsn)}`,
    paint("dim", `durable ${String(durableLsn).padEnd(WIDEST.lsn)} crc ${crc}`),
    `${type.padEnd(WIDEST.type)} ${size(payloadBytes).padStart(9)}${whose}${which}`,
    paint("dim", more.join(", ")),
  ]
    .join("  ")
    .trimEnd();
}

function holeText(
  { offset, bytes, verdict, firstLsn, lastLsn, flippedBit, was }: HoleEntry,
  paint: Paint,
): string {
  const lsns =
    lastLsn === undefined || lastLsn === firstLsn ? `LSN ${firstLsn}` : `LSN ${firstLsn} to ${lastLsn}`;
  const bit =
    flippedBit === undefined ? "" : `; one flipped bit: byte ${flippedBit.offset}, bit ${flippedBit.bit}`;
  const whose = was?.session === undefined ? "" : ` of ${idText(was.session)}`;
  const which = was?.revision === undefined ? "" : ` r${was.revision}`;
  const held = was === undefined ? "" : `, it was a ${was.type}${whose}${which}`;
  const text = `${verdict}: no frame of ${lsns}, ${size(bytes)}${bit}${held}`;
  return `${String(offset).padStart(WIDEST.offset)}  ${paint(verdict === "torn" ? "yellow" : "red", text)}`;
}
