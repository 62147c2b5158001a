/**
 * Looks at one crash state: makes it, opens and checks it, and records that recovery, so that it can be
 * crashed itself. It decides nothing about which states are worth a look.
 */
import { MemoryVfs } from "../../vfs/memory.ts";
import { type RecordedMoment, recordMoments } from "./record.ts";
import type { CrashSubject } from "./subject.ts";
import type { CrashAt, CrashState } from "./token.ts";

/** Records the whole workload of a seed. */
export function recordSubject<Known>(subject: CrashSubject<Known>): Promise<RecordedMoment<Known>[]> {
  const vfs = new MemoryVfs();
  return recordMoments(
    vfs,
    () => subject.known(),
    () => subject.run(vfs),
  );
}

/** Checks what a crash left; throws what is wrong with it. */
export async function checkLeft<Known>(
  subject: CrashSubject<Known>,
  vfs: MemoryVfs,
  known: Known,
  goOn: boolean,
): Promise<void> {
  await subject.check({ vfs, known, goOn, learn: () => undefined });
}

/** As `checkLeft` with going on, and answers the moments of the check. */
export async function recordCheck<Known>(
  subject: CrashSubject<Known>,
  vfs: MemoryVfs,
  known: Known,
): Promise<RecordedMoment<Known>[]> {
  let promised = known;
  const learn = (more: Known): void => {
    promised = more;
  };
  return await recordMoments(
    vfs,
    () => promised,
    () => subject.check({ vfs, known, goOn: true, learn }),
  );
}

/** The run has no such moment: the token was made by other code, or another subject. */
export class UnknownStateError extends TypeError {
  override readonly name = "UnknownStateError";
}

/** The moment of a crash; throws if the recording has none such, i.e. the token is of another version. */
export function momentOf<Known>(
  moments: readonly RecordedMoment<Known>[],
  { moment, fates }: CrashAt,
): RecordedMoment<Known> {
  const found = moments[moment];
  if (found === undefined || found.moment.parts.length !== fates.length) {
    throw new TypeError(
      `moment ${moment} with ${fates.length} parts is not in this run; was the code changed?`,
    );
  }
  return found;
}

/** Makes and checks one state anew from its seed; answers what was wrong, or undefined. */
export async function tryState<Known>(
  subjectOf: (seed: number) => CrashSubject<Known>,
  { seed, crashes, goOn }: CrashState,
  recorded?: readonly RecordedMoment<Known>[],
): Promise<unknown> {
  const subject = subjectOf(seed);
  const [first, second] = crashes;
  if (first === undefined) throw new TypeError("a state has a crash");
  const found = momentOf(recorded ?? (await recordSubject(subject)), first);
  const vfs = found.moment.crash(first.fates);
  return await failureOf(async () => {
    if (second === undefined) return await checkLeft(subject, vfs, found.known, goOn);
    const again = momentOf(await recordCheck(subject, vfs, found.known), second);
    await checkLeft(subject, again.moment.crash(second.fates), again.known, goOn);
  });
}

/** What `check` threw, or undefined. */
export async function failureOf(check: () => Promise<void>): Promise<unknown> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return error ?? new Error("the check threw nothing at all");
  }
}
