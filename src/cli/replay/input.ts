/** Opens what is to be played: the files named on the command line, or the generator. */
import { readFileSync } from "node:fs";
import { InputError } from "../command.ts";
import type { ReplayOptions } from "./options.ts";
import { generatedSource, type Source, transcriptSource } from "./source.ts";
import { type InputProblem, parseTranscript, type Transcript } from "./transcript.ts";

export interface Input {
  readonly source: Source;
  /** What is played, for people. */
  readonly names: readonly string[];
  readonly problems: readonly InputProblem[];
}

export function openInput(options: ReplayOptions): Input {
  if (options.files.length === 0) {
    return { source: generatedSource(options.seed), names: [`generator seed ${options.seed}`], problems: [] };
  }
  const read = options.files.map(readTranscript);
  const problems = read.flatMap((transcript) => transcript.problems);
  const [first, ...others] = read.filter((transcript) => transcript.entries.length > 0);
  if (first === undefined) throw new InputError(`${options.files.join(", ")}: no line can be played`);
  const names = [first, ...others].map((transcript) => transcript.file);
  return { source: transcriptSource([first, ...others]), names, problems };
}

function readTranscript(file: string): Transcript {
  try {
    return parseTranscript(file, readFileSync(file));
  } catch (error) {
    throw new InputError(error instanceof Error ? error.message : String(error));
  }
}
