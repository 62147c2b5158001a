/** Sees that an owner frees its lock last of all: nothing else is open then, and nothing is done to files later. */
import type { Process } from "../../src/testing/simulation/machine.ts";
import type { VfsOperation } from "../../src/vfs/io-error.ts";

export class LockWatch {
  readonly #process: Process;
  readonly #lockPath: string;
  #isFree = false;
  #broken: string | undefined;

  constructor(process: Process, lockPath: string) {
    this.#process = process;
    this.#lockPath = lockPath;
    process.onOperation = (operation, path) => this.#see(operation, path);
  }

  /** What was done wrong first, in words. */
  get broken(): string | undefined {
    return this.#broken;
  }

  #see(operation: VfsOperation, path: string): void {
    if (this.#isFree) this.#broken ??= `${operation} of ${path} after the lock was freed`;
    if (operation !== "close" || path !== this.#lockPath) return;
    this.#isFree = true;
    const { openFiles } = this.#process;
    if (openFiles > 1) this.#broken ??= `the lock was freed while ${openFiles - 1} files were open`;
  }
}
