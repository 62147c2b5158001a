/**
 * Whether what was measured over a long run is flat: the median of its last quarter beside that of its second, as a
 * ratio, never as a time. The first quarter warms up, and is not looked at.
 */

/** Of receipts and footers, which are on disk and no live bytes. */
export const SLACK_BYTES = 256 * 1024;
/** What a deleted session leaves on disk for ever, at most: some 40 bytes, and twice its id of up to 20. */
const MOST_MARK_BYTES = 80;

/** Measurements of which quarters mean something. */
const LEAST_MEASUREMENTS = 8;

export interface Flatness {
  readonly what: string;
  readonly second: number;
  readonly last: number;
  /** Of the last to the second. */
  readonly ratio: number;
  readonly most: number;
  readonly isFlat: boolean;
}

export interface Disk {
  readonly diskBytes: number;
  readonly liveBytes: number;
  /** Of the marks of deleted sessions, with more of which a disk grows as it must. */
  readonly markBytes: number;
}

/** The share of marks in heads files, as far as deletions explain it. */
export function markBytesOf(
  { headsBytes, heads, sessions }: { headsBytes: number; heads: number; sessions: number },
  deletions: number,
): number {
  const marks = Math.max(0, Math.min(heads - sessions, deletions));
  return Math.min((headsBytes * marks) / Math.max(1, heads), marks * MOST_MARK_BYTES);
}

/**
 * What lives swings by several times as sessions come, grow and go, and what is on disk besides does not follow it: so that is
 * judged by itself, beside the slack.
 */
export function diskBesides(disk: Disk): number {
  return disk.diskBytes - disk.markBytes - disk.liveBytes + SLACK_BYTES;
}

/** The slack is on both sides, so that this is near 1 however little lives. */
export function diskPerLiveByte(disk: Disk): number {
  return (disk.diskBytes - disk.markBytes + SLACK_BYTES) / (disk.liveBytes + SLACK_BYTES);
}

/** Undefined where there is too little to judge. */
export function judgeFlat(
  what: string,
  values: readonly number[],
  { most }: { most: number },
): Flatness | undefined {
  if (values.length < LEAST_MEASUREMENTS) return undefined;
  const quarter = values.length / 4;
  const second = median(values.slice(Math.floor(quarter), Math.floor(2 * quarter)));
  const last = median(values.slice(Math.floor(3 * quarter)));
  const ratio = last / second;
  return { what, second, last, ratio, most, isFlat: ratio <= most };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const half = sorted.length / 2;
  const upper = sorted[Math.floor(half)] ?? Number.NaN;
  return Number.isInteger(half) ? ((sorted[half - 1] ?? upper) + upper) / 2 : upper;
}
