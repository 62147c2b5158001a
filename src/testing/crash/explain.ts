/** Tells one crash state in words: where the power went, and what of the unsynced was lost, torn or kept. */
import { describePart, type PendingPart, type SectorFate } from "../../vfs/memory-crash.ts";
import { momentOf, recordCheck, recordSubject } from "./look.ts";
import { describeMoment, type RecordedMoment } from "./record.ts";
import type { CrashSubject } from "./subject.ts";
import type { CrashAt, CrashState } from "./token.ts";

/** Lines of an explanation; longer lists are cut and say so. */
const MAX_PARTS = 40;

/** Makes the state anew and tells each of its crashes, a part a line. */
export async function explainState<Known>(
  subjectOf: (seed: number) => CrashSubject<Known>,
  { seed, crashes }: CrashState,
): Promise<string[]> {
  const subject = subjectOf(seed);
  const lines = [`workload of seed ${seed}`];
  let moments = await recordSubject(subject);
  for (const [turn, crash] of crashes.entries()) {
    const found = momentOf(moments, crash);
    lines.push(
      `${turn === 0 ? "power cut" : "power cut in the recovery from that,"} ${describeMoment(found)}`,
    );
    lines.push(...partLines(found, crash));
    if (turn + 1 < crashes.length)
      moments = await recordCheck(subject, found.moment.crash(crash.fates), found.known);
  }
  return lines;
}

function partLines({ moment }: RecordedMoment<unknown>, { fates }: CrashAt): string[] {
  const kept = fates.filter((fate) => fate === "kept").length;
  const baseline = kept * 2 >= fates.length ? "kept" : "lost";
  const lines = moment.parts.flatMap((part, place) => {
    const fate = fates[place] ?? "lost";
    return fate === baseline ? [] : [`  ${line(part, fate)}`];
  });
  const cut = lines.length > MAX_PARTS ? [`  and ${lines.length - MAX_PARTS} more`] : [];
  return [`  all of ${fates.length} unsynced parts ${baseline}${lines.length > 0 ? ", except" : ""}`].concat(
    lines.slice(0, MAX_PARTS),
    cut,
  );
}

function line(part: PendingPart, fate: SectorFate): string {
  return `${fateWord(fate)}: ${describePart(part)}`;
}

function fateWord(fate: SectorFate): string {
  if (typeof fate === "string") return fate;
  if ("garbage" in fate) return "garbage";
  return fate.torn === "front"
    ? `torn, first ${fate.bytes} bytes new`
    : `torn, all but ${fate.bytes} bytes new`;
}
