/**
 * One line that tells how a run is going, redrawn in place. Only for terminals: elsewhere it stays silent, so
 * that logs hold results and nothing else.
 */

import { count, rate } from "../units.ts";
import type { PlayCounts } from "./play.ts";

export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Often enough to look alive, seldom enough to cost nothing. Milliseconds. */
const REDRAW_MS = 120;
const BAR = 24;
const CLEAR = "\r\u001b[K";

export class Progress {
  readonly #screen: Screen | undefined;
  #timer: NodeJS.Timeout | undefined;
  #line: () => string = () => "";

  constructor(screen: Screen) {
    this.#screen = screen.isTTY === true ? screen : undefined;
  }

  /** Shows what `line` answers until the next call or `stop`. */
  show(line: () => string): void {
    this.#line = line;
    if (this.#screen === undefined) return;
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#screen?.write(CLEAR);
  }

  #draw(): void {
    const width = (this.#screen?.columns || 80) - 1;
    this.#screen?.write(CLEAR + this.#line().slice(0, width));
  }
}

/** `wanted` commits, or sessions when the number of commits is not known beforehand. */
export function playingLine(
  counts: PlayCounts,
  wanted: { readonly commits: number | undefined; readonly sessions: number },
  elapsedMs: number,
): string {
  const share =
    wanted.commits === undefined
      ? counts.sessionsDone / wanted.sessions
      : counts.commits / Math.max(1, wanted.commits);
  const filled = Math.round(Math.min(1, share) * BAR);
  const bar = "█".repeat(filled) + "░".repeat(BAR - filled);
  const speed = elapsedMs > 0 ? (counts.commits / elapsedMs) * 1_000 : 0;
  const percent = `${Math.floor(Math.min(1, share) * 100)}%`.padStart(4);
  return `${bar} ${percent}  ${count(counts.commits, "commit")}, ${rate(speed)}/s, ${count(counts.retried, "retry", "retries")}`;
}
