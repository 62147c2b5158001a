/**
 * How a subject looks, the same in every plot: the store strong and blue, what it is held against grey, each peer
 * its own colour, and dashed or hollow whatever a power loss takes. Colours are told apart by those who see
 * fewer of them, and every line is named beside its end.
 */
import { DURABILITY } from "../support/subject.ts";

export interface Look {
  /** Class that holds the colour of light and dark pages. */
  readonly color: string;
  readonly isStrong: boolean;
  /** Less than power loss is promised. */
  readonly isHollow: boolean;
}

/** First match wins; the store's variants take colours in turn. */
const COLORS: readonly (readonly [pattern: RegExp, color: string])[] = [
  [/^raw|^read and CRC|^plain/, "grey"],
  [/^bare loop, pre/, "slate"],
  [/^bare loop/, "grey"],
  [/prototype/, "violet"],
  [/SqliteSaver/, "red"],
  [/^SQLite NORMAL/, "sand"],
  [/^SQLite/, "orange"],
  [/^lmdb/, "green"],
  [/^LevelDB/, "brown"],
  [/^JSONL, no/, "pink"],
  [/^JSONL/, "rose"],
];
const VARVE_COLORS = ["blue", "cyan", "violet", "navy", "green"];

/** Looks of the subjects of one plot, in their order. */
export function looksOf(
  subjects: readonly { readonly subject: string; readonly durability: string }[],
): Map<string, Look> {
  const looks = new Map<string, Look>();
  let variants = 0;
  for (const { subject, durability } of subjects) {
    if (looks.has(subject)) continue;
    const isStrong = subject.startsWith("varve");
    const known = COLORS.find(([pattern]) => pattern.test(subject))?.[1] ?? "slate";
    const color = isStrong ? (VARVE_COLORS[variants++ % VARVE_COLORS.length] ?? "blue") : known;
    looks.set(subject, { color, isStrong, isHollow: durability === DURABILITY.kernel });
  }
  return looks;
}
