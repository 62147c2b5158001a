/**
 * Standard output of a command: waits while the reader is slow, and notices a reader that went away (`| head`),
 * which ends the output and not the command. It deliberately formats nothing.
 */
import type { Writable } from "node:stream";

export class Output {
  readonly #stream: Writable;
  #gone = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    // EPIPE and its kin: nobody reads any more, and that is no failure of ours.
    stream.on("error", () => {
      this.#gone = true;
    });
  }

  /** Nobody reads any more: what is written goes nowhere, and a command that only shows may stop. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Resolves once the stream takes more. */
  async write(text: string): Promise<void> {
    if (this.#gone || text === "" || this.#stream.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#stream.off("drain", done).off("close", done).off("error", done);
        resolve();
      };
      this.#stream.on("drain", done).on("close", done).on("error", done);
    });
  }
}
