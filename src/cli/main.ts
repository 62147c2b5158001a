#!/usr/bin/env node
/**
 * The `varve` command: finds the command that was asked for and turns how it ended into an exit code. Streams
 * of the process enter here; what a command says and means stands in its own file (`registry.ts`).
 */
import { readFileSync } from "node:fs";
import { type Command, type CommandContext, EXIT, exitCodeOf, UsageError } from "./command.ts";
import { Output } from "./output.ts";
import { findCommand, listCommands } from "./registry.ts";

async function main(args: readonly string[], context: CommandContext): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError("no command given; see varve --help");
  if (name === "--version") return await say(context, `${version()}\n`);
  if (name === "--help" || name === "-h") return await say(context, overview());
  if (name === "help") {
    const [topic] = rest;
    return await say(context, topic === undefined ? overview() : (await commandOf(topic)).help);
  }
  const command = await commandOf(name);
  return asksForHelp(rest) ? await say(context, command.help) : await command.run(rest, context);
}

async function commandOf(name: string): Promise<Command> {
  const command = await findCommand(name);
  if (command === undefined)
    throw new UsageError(`unknown command ${JSON.stringify(name)}; see varve --help`);
  return command;
}

/** Anywhere in front of `--`: whoever asks for help gets it, whatever else is wrong. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) => arg === "--help" || arg === "-h");
}

function overview(): string {
  const commands = listCommands().map(([name, summary]) => `  ${name.padEnd(12)}  ${summary}`);
  return `varve <command> [options]

An embedded, durable session store for agent hosts.

${commands.join("\n")}

  --help        print this; varve <command> --help tells more
  --version     print the version

Exit codes: 0 good, 1 and 2 as the command says, 64 bad arguments, 65 damaged or unknown data,
66 no such input, 70 a bug, 74 the disk failed, 75 in use, 130 interrupted.
`;
}

async function say({ out }: CommandContext, text: string): Promise<number> {
  await out.write(text);
  return EXIT.ok;
}

/** The package's own version; this file lies two folders below it, built or not. */
function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(text) as { version?: unknown }).version);
}

function fail(error: unknown): number {
  const code = exitCodeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const said = code === undefined && error instanceof Error ? (error.stack ?? message) : oneLine(message);
  process.stderr.write(`varve: ${said}\n`);
  return code ?? EXIT.bug;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ");
}

// Until an outcome is known: a run whose promises are never settled must not end as a success.
process.exitCode = EXIT.bug;
process.stderr.on("error", () => {});
main(process.argv.slice(2), {
  out: new Output(process.stdout),
  color: process.stdout.isTTY === true && !process.env.NO_COLOR,
}).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.exitCode = fail(error);
  },
);
