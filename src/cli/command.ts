/**
 * What a command of `varve` is, and how it ends: the words that `main.ts`, the registry and every command
 * share. It deliberately knows no command.
 */
import { isStoreError } from "../errors.ts";
import type { Output } from "./output.ts";

/**
 * Exit codes that mean the same for every command; 64 and above are those of sysexits.h. What 1 and 2 mean
 * is said by each command's help: 1 is a milder finding than 2.
 */
export const EXIT = {
  ok: 0,
  usage: 64,
  data: 65,
  input: 66,
  bug: 70,
  io: 74,
  busy: 75,
  interrupted: 130,
} as const;

export interface CommandContext {
  readonly out: Output;
  /** Whether escape sequences are welcome on standard output. */
  readonly color: boolean;
}

export interface Command {
  /** All of `varve <command> --help`. */
  readonly help: string;
  /** Answers the exit code. */
  readonly run: (args: readonly string[], context: CommandContext) => Promise<number>;
}

/** Ends the command with one line on standard error and that exit code. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What is wrong with the command line, in one line. */
export class UsageError extends CommandError {
  constructor(message: string) {
    super(EXIT.usage, message);
  }
}

/** What the command was told to read cannot be read at all. */
export class InputError extends CommandError {
  constructor(message: string) {
    super(EXIT.input, message);
  }
}

/** The exit code of an error that ends a command; undefined for a bug, which deserves its stack. */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof CommandError) return error.exitCode;
  if (!isStoreError(error)) return undefined;
  switch (error.code) {
    case "NOT_A_STORE":
      return EXIT.input;
    case "CORRUPT":
    case "BLOB_MISSING":
    case "FORMAT_UNSUPPORTED":
      return EXIT.data;
    case "STORE_LOCKED":
    case "STORE_BUSY":
    case "VIEW_EXPIRED":
      return EXIT.busy;
    case "INVALID_ARGUMENT":
      return EXIT.usage;
    case "STORE_IO":
      return error.errno === "ENOENT" || error.errno === "ENOTDIR" ? EXIT.input : EXIT.io;
    case "STORE_FULL":
    case "UNSAFE_FILE_SYSTEM":
      return EXIT.io;
    default:
      return undefined;
  }
}
