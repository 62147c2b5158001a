/**
 * The order of a key and of bytes where they lie, for searches in footers and index blocks. It deliberately makes no
 * view: a search makes some twenty comparisons, of which most end within a few bytes.
 */

/** As `Buffer.compare` of `bytes` from `start` to `end`, and `key`: below 0, 0, or above. */
export function compareAt(bytes: Uint8Array, start: number, end: number, key: Uint8Array): number {
  const length = Math.min(end - start, key.length);
  for (let i = 0; i < length; i++) {
    const order = (bytes[start + i] as number) - (key[i] as number);
    if (order !== 0) return order;
  }
  return end - start - key.length;
}
