/**
 * A sum over the sectors of a file, to tell contents apart quickly: equal bytes of equal length have equal
 * sums, whatever way they came about, and a changed sector changes it by a difference, so that a crash of a
 * large file costs the sectors it touched. For counting distinct states, never for integrity.
 *
 * 1. A sector of zeros adds nothing, so an absent extent and a written zero are the same.
 */
import { SECTOR_BYTES } from "./memory-crash.ts";

/** Two lanes of 32 bits. */
export interface SectorSum {
  low: number;
  high: number;
}

/** Adds (or with -1 takes away) what sector `index` with these bytes contributes. */
export function addSector(sum: SectorSum, index: number, sector: Buffer, sign: 1 | -1): void {
  let low = 0x9e3779b9 ^ index;
  let high = 0x85ebca6b ^ Math.imul(index, 0xc2b2ae35);
  let any = 0;
  for (let at = 0; at < SECTOR_BYTES; at += 4) {
    const word = sector.readInt32LE(at);
    any |= word;
    low = Math.imul(low ^ word, 0x9e3779b1);
    high = Math.imul((high << 13) | (high >>> 19), 5) ^ Math.imul(word, 0xcc9e2d51);
  }
  if (any === 0) return;
  low = Math.imul(low ^ (low >>> 15) ^ high, 0x2c1b3c6d);
  high = Math.imul(high ^ (high >>> 13) ^ low, 0x297a2d39);
  sum.low = (sum.low + sign * (low ^ (low >>> 12))) | 0;
  sum.high = (sum.high + sign * (high ^ (high >>> 15))) | 0;
}

/** 53 bits of a text: with a million of them, two different ones meet with a chance below 1 in 10,000. */
export function hashText(text: string): number {
  let low = 0xdeadbeef;
  let high = 0x41c6ce57;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 2654435761);
    high = Math.imul(high ^ unit, 1597334677);
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  return 2 ** 32 * (high & 0x1fffff) + (low >>> 0);
}
