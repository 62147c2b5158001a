/** `varve info`: what a store is made of and how it stands. Live, closed or damaged; writes nothing. */
import { statSync } from "node:fs";
import { countSessions, type SessionCount } from "../../inspect/count-sessions.ts";
import type { OwnerInfo } from "../../inspect/owner.ts";
import { lookAtStore, type ManifestInfo, type StoreInfo } from "../../inspect/store-info.ts";
import { diskVfs } from "../../vfs/disk.ts";
import { readArguments } from "../arguments.ts";
import { type Command, EXIT } from "../command.ts";
import { storePath } from "../directory.ts";
import { type Paint, painter, printable, table } from "../text.ts";
import { count, size } from "../units.ts";

const HELP = `varve info DIR [options]

Says what a store is made of: format, owner, generations, log, sizes, and whether its
last owner closed it. Reads a live, closed or damaged store without its lock and writes
nothing. It reads what lies at hand; whether everything is whole is told by verify.

  --count     also count the sessions, which reads every head
  --json      as JSON
  --help      print this

Exit codes: 0 nothing wrong seen, 1 something is wrong (said), 64 bad arguments,
66 no store there.
`;

const SOMETHING_WRONG = 1;
const SHOWN_SEGMENTS = 20;

export const infoCommand: Command = {
  help: HELP,
  run: async (args, { out, color }) => {
    const { values, positionals } = readArguments(args, {
      command: "info",
      positionals: ["DIR"],
      options: { json: { type: "boolean" }, count: { type: "boolean" } },
    });
    const root = storePath(positionals[0] ?? "");
    const info = lookAtStore(diskVfs, root);
    const sessions = values.count === true ? await countSessions(diskVfs, root) : undefined;
    const lastSnapshot = info.manifests[0] === undefined ? undefined : modifiedAt(info.manifests[0]);
    const more = { ...sessions, ...(lastSnapshot === undefined ? {} : { lastSnapshot }) };
    const text = (): string => infoText(info, more, painter(color));
    await out.write(values.json === true ? `${JSON.stringify({ ...info, ...more })}\n` : text());
    return info.troubles.length === 0 ? EXIT.ok : SOMETHING_WRONG;
  },
};

/** A manifest is written once, so its file's time is when the snapshot was published. */
function modifiedAt({ path }: ManifestInfo): string | undefined {
  try {
    return statSync(path).mtime.toISOString();
  } catch {
    return undefined;
  }
}

interface More extends Partial<SessionCount> {
  readonly lastSnapshot?: string;
}

function infoText(info: StoreInfo, { sessions, children = 0, lastSnapshot }: More, paint: Paint): string {
  const { files, log } = info;
  const bytes = Object.values(files).reduce((sum, kind) => sum + kind.bytes, 0);
  const lines = [
    ["store", info.directory],
    ["format", info.storeId === undefined ? "unreadable" : `1, ${info.storeId}`],
    ["owner", ownerText(info.owner)],
    ["size", `${size(bytes)}: ${sizesText(files)}`],
    ...(sessions === undefined ? [] : [["sessions", sessionsText(sessions, children)]]),
    ...info.manifests.map((manifest, at) => [at === 0 ? "snapshot" : "before it", manifestText(manifest)]),
    ...(lastSnapshot === undefined ? [] : [["published", lastSnapshot]]),
    ...(log === undefined ? [] : [["log", logText(log)]]),
    ["TAIL", tailText(info)],
  ];
  const segments = info.segments
    .slice(0, SHOWN_SEGMENTS)
    .map(({ number, state, bytes: segmentBytes, afterLsn }) => [
      `  ${number.toString(16).padStart(16, "0")}`,
      state,
      size(segmentBytes),
      afterLsn === undefined ? "" : `after LSN ${afterLsn}`,
    ]);
  const hidden = info.segments.length - segments.length;
  const more = hidden > 0 ? `  and ${count(hidden, "more segment")}, see --json\n` : "";
  const troubles = info.troubles.map(({ message }) => `${paint("red", "wrong")}  ${printable(message)}\n`);
  return [table(lines), "segments\n", table(segments, [2]), more, ...troubles].join("");
}

function ownerText({ state, pid, host, start }: OwnerInfo): string {
  const who = pid === undefined ? "" : `process ${pid}${host === undefined ? "" : ` on ${printable(host)}`}`;
  const since = start === undefined ? "" : `, since ${printable(start)}`;
  switch (state) {
    case "open":
      return `open in ${who === "" ? "a process that left no name" : who}${since}`;
    case "perhaps":
      return `perhaps open: ${who} lives, and this system does not list locks`;
    case "closed":
      return who === "" ? "not open" : `not open; last in ${who}${since}`;
    case "unknown":
      return who === "" ? "unknown" : `unknown; last in ${who}${since}`;
  }
}

function sizesText(files: StoreInfo["files"]): string {
  const kinds = [
    ["segment", "segments"],
    ["heads", "heads"],
    ["pack", "packs"],
    ["recycled", "recycled"],
    ["temporary", "temporary"],
    ["quarantine", "quarantine"],
  ] as const;
  return kinds
    .filter(([kind]) => files[kind].count > 0)
    .map(([kind, name]) => `${name} ${size(files[kind].bytes)} (${files[kind].count})`)
    .join(", ");
}

function manifestText({ number, content, isWhole }: ManifestInfo): string {
  if (content === undefined) return `manifest ${number}, unreadable`;
  const { heads, headsFiles, headsBytes, values, packs, packBytes, deadBytes, lsn } = content;
  const dead = deadBytes === 0 ? "" : `, about ${size(deadBytes)} of it dead`;
  const what = `${count(heads, "head")} in ${count(headsFiles, "file")} (${size(headsBytes)}), ${count(values, "value")} in ${count(packs, "pack")} (${size(packBytes)}${dead})`;
  return `manifest ${number}, up to LSN ${lsn}: ${what}${isWhole ? "" : "; a file of it is missing or damaged"}`;
}

function sessionsText(sessions: number, children: number): string {
  return `${sessions.toLocaleString("en-US")}${children === 0 ? "" : `, ${children.toLocaleString("en-US")} of them with a parent`}`;
}

function logText({
  lsn,
  durableLsn,
  segment,
  isCleanClose,
  tornBytes,
  unfolded,
}: NonNullable<StoreInfo["log"]>): string {
  const end = isCleanClose ? "closed cleanly" : "not closed";
  const torn = tornBytes === 0 ? "" : `, ${size(tornBytes)} of an unfinished write behind it`;
  const durable = durableLsn >= lsn ? "" : `, proven durable up to ${durableLsn}`;
  const more =
    unfolded === undefined || unfolded.records === 0
      ? ""
      : `; ${count(unfolded.records, "record")} (${size(unfolded.bytes)}) beyond the snapshot`;
  return `ends at LSN ${lsn} in segment ${segment}${durable}; ${end}${torn}${more}`;
}

function tailText({ tail }: StoreInfo): string {
  const slots = tail.filter((slot) => slot !== null);
  if (slots.length === 0) return "says nothing";
  return slots.map(({ segment, lsn }) => `LSN ${lsn} in segment ${segment}`).join(", ");
}
