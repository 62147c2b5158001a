/** Text that hardly compresses, the same for the same number: figures of bytes must not come from repeated words. */

/** Characters that stand for six bits each: deflate saves a quarter of such text at most. */
export function noiseText(chars: number, seed: number): string {
  const bytes = Buffer.alloc(Math.ceil((chars * 3) / 4));
  let state = (seed + 1) >>> 0;
  for (let at = 0; at < bytes.length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes.toString("base64").slice(0, chars);
}
