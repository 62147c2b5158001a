/** A command of `varve` inside this process: starting Node again is for what only a process can show. */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { exitCodeOf } from "../../src/cli/command.ts";
import { Output } from "../../src/cli/output.ts";
import { findCommand } from "../../src/cli/registry.ts";
import type { Finished } from "./run-varve.ts";

export async function invoke(name: string, ...args: string[]): Promise<Finished> {
  let stdout = "";
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      stdout += chunk.toString();
      done();
    },
  });
  const command = await findCommand(name);
  assert.ok(command, name);
  try {
    const code = await command.run(args, { out: new Output(stream), color: false });
    return { code, stdout, stderr: "" };
  } catch (error) {
    const code = exitCodeOf(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    return { code, stdout, stderr: `varve: ${error.message}\n` };
  }
}
