/**
 * Command lines as values, and mistakes in them as one line. Options are described as `node:util` wants them;
 * what it allows and a person did not mean (a repeated option, a positional too many) is refused here.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "./command.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;
/** What `parseArgs` answers for these options; named, so that declarations can be emitted. */
type Parsed<Described extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; tokens: true; options: Described }>
>;

export interface ArgumentsConfig<Described extends Options> {
  readonly command: string;
  readonly options: Described;
  /** Names of the positionals, as help shows them; all are required. */
  readonly positionals: readonly string[];
  /** Names of those that may follow. */
  readonly optional?: readonly string[];
}

/** The values of the options, and as many positionals as asked for. Throws a UsageError. */
export function readArguments<const Described extends Options>(
  args: readonly string[],
  { command, options, positionals: required, optional = [] }: ArgumentsConfig<Described>,
): { values: Parsed<Described>["values"]; positionals: string[] } {
  const parsed = parse(args, options);
  const { positionals, tokens } = parsed;
  const names = [...required, ...optional];
  const missing = required[positionals.length];
  if (missing !== undefined) throw new UsageError(`${command} needs ${missing}; see varve ${command} --help`);
  const extra = positionals[names.length];
  if (extra !== undefined) {
    throw new UsageError(`${command} takes ${names.join(" ")} and not also ${JSON.stringify(extra)}`);
  }
  const empty = positionals.indexOf("");
  if (empty >= 0) throw new UsageError(`${names[empty]} must not be empty`);
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (seen.has(token.name)) throw new UsageError(`--${token.name} is given twice`);
    seen.add(token.name);
  }
  return { values: parsed.values, positionals };
}

function parse<const Described extends Options>(
  args: readonly string[],
  options: Described,
): Parsed<Described> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, tokens: true, options });
  } catch (error) {
    throw new UsageError(firstSentence(error));
  }
}

/** Of a complaint of `parseArgs`: what is wrong, without the advice behind it. */
export function firstSentence(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split(/\. |\.?\n/);
  return line;
}

export function parseCount(name: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`,
  );
}
