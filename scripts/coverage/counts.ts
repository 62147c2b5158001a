/**
 * How often arms ran, from the reports that V8 writes when a process or a thread ends. Reports are added up
 * arm by arm; no ranges are merged. A process that was killed writes none.
 *
 * 1. The count at a place is that of the smallest range around it.
 */
import type { Arm } from "./arms.ts";

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface ScriptReport {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}
export interface CoverageReport {
  readonly result: readonly ScriptReport[];
}

/** Where in the running code a script lies, and its arms. */
export interface Measured {
  readonly url: string;
  readonly arms: readonly Arm[];
  /** One for each arm. */
  readonly counts: number[];
}

export function addReport(measured: ReadonlyMap<string, Measured>, report: CoverageReport): void {
  for (const script of report.result) {
    const target = measured.get(script.url);
    if (target === undefined) continue;
    // Outermost first, so that the last one around a place is the smallest.
    const ranges = script.functions
      .flatMap((fn) => fn.ranges)
      .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
    for (const [index, { at, less }] of target.arms.entries()) {
      const ran = countAt(ranges, at) - (less === undefined ? 0 : countAt(ranges, less));
      target.counts[index] = (target.counts[index] ?? 0) + Math.max(0, ran);
    }
  }
}

function countAt(ranges: readonly Range[], offset: number): number {
  let count = 0;
  for (const range of ranges) {
    if (range.startOffset > offset) break;
    if (offset < range.endOffset) count = range.count;
  }
  return count;
}
