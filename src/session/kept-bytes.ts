/**
 * Bytes that are kept long and looked at seldom. They lie in a text of one byte a character, which is one object of
 * V8's own heap; a buffer is four, and an allocation outside of it that the garbage collector has to give back.
 */
export class KeptBytes {
  /** One character for each byte. */
  readonly text: string;

  /** Copies them. */
  constructor(bytes: Uint8Array) {
    this.text = Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
  }

  get length(): number {
    return this.text.length;
  }

  /** A copy of them. */
  get bytes(): Uint8Array {
    return Buffer.from(this.text, "latin1");
  }
}
