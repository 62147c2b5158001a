/** What a repair kept and lost, for people: every loss by name, the sum first. */
import { isLossless, type RepairReport, type SessionLoss } from "../../inspect/repair.ts";
import type { LsnGap } from "../../snapshot/salvage-session.ts";
import { idText, type Paint, printable } from "../text.ts";
import { count, size } from "../units.ts";

const SHOWN_PROBLEMS = 20;

export function repairText(report: RepairReport, paint: Paint): string {
  const { isDryRun, target, sessions, deleted, losses, lostLsns, problems, bytes, lastLsn } = report;
  const would = isDryRun ? "would keep" : "kept";
  const lines = [
    ...problems
      .slice(0, SHOWN_PROBLEMS)
      .map((problem) => `${paint("yellow", "unreadable")}  ${placeText(problem)}`),
    ...(problems.length > SHOWN_PROBLEMS
      ? [`and ${count(problems.length - SHOWN_PROBLEMS, "more place")}, see --json`]
      : []),
    ...losses.map((loss) => `${paint("red", "lost")}  ${lossText(loss)}`),
    ...lostLsns.map((gap) => `${paint("red", "lost")}  ${gapText(gap)}`),
    `${would} ${count(sessions, "session")}${deleted === 0 ? "" : ` and ${count(deleted, "deleted id")}`}`,
    ...(target === undefined || bytes === undefined
      ? []
      : [`wrote ${target}: ${size(bytes)}, verified; its next LSN is ${(lastLsn ?? 0) + 1}`]),
    isLossless(report)
      ? paint("green", isDryRun ? "nothing would be lost" : "nothing was lost")
      : paint("red", isDryRun ? "what is named above would be lost" : "what is named above is lost"),
    "",
  ];
  return lines.join("\n");
}

function revisionsText({ first, last }: NonNullable<SessionLoss["lostRevisions"]>): string {
  return first === last ? `revision ${first}` : `revisions ${first} to ${last}`;
}

/** Records of LSNs that cannot be read: what they were, if anything tells. */
export function gapText({ first, last, was }: LsnGap): string {
  if (was !== undefined) {
    const whose = was.session === undefined ? "" : ` of session ${idText(was.session)}`;
    return `LSN ${first}: with one flipped bit back it was a ${was.record}${whose}`;
  }
  const what =
    first === last
      ? `the record of LSN ${first}`
      : `the ${last - first + 1} records of LSN ${first} to ${last}`;
  return `${what}: nobody can tell whose they were`;
}

function placeText({ file, offset, message }: RepairReport["problems"][number]): string {
  if (file === "" || message.includes(file)) return printable(message);
  return printable(`${file}${offset === undefined ? "" : ` at ${offset}`}: ${message}`);
}

export function lossText(loss: SessionLoss): string {
  const {
    sessionId,
    keptRevision,
    newestRevision,
    lostRevisions,
    lostNodes,
    lostReceipts,
    lostBlobs,
    isBehindGap,
    because,
  } = loss;
  const why = because === undefined ? "" : ` (${printable(because)})`;
  if (keptRevision === undefined) {
    const upTo = newestRevision === 0 ? "" : `, all ${count(newestRevision, "revision")} of it`;
    return `session ${idText(sessionId)}${upTo}${why}`;
  }
  const parts = [
    ...(lostRevisions === undefined ? [] : [revisionsText(lostRevisions)]),
    ...(lostNodes === 0 ? [] : [count(lostNodes, "node")]),
    ...lostBlobs.map(({ component, ref }) => `its ${component} ${ref.slice(0, 12)}`),
    ...(lostReceipts === 0 ? [] : [count(lostReceipts, "receipt")]),
    ...(isBehindGap ? ["any tombstone, vacuum or meta in the gap of the log"] : []),
  ];
  const what = parts.length === 0 ? "later records that change no revision" : parts.join(", ");
  return `session ${idText(sessionId)} is kept at revision ${keptRevision}, without ${what}${why}`;
}
