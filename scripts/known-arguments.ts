/** Refuses arguments that a script does not know, `--help` among them, before it works for an hour as if there were none. */
import { parseArgs } from "node:util";

/** Names without dashes: of those that stand alone, and of those that a value follows. */
export function refuseUnknown(names: {
  readonly alone: readonly string[];
  readonly withValue: readonly string[];
}): void {
  const alone = names.alone.map((name) => [name, { type: "boolean" as const }]);
  const withValue = names.withValue.map((name) => [name, { type: "string" as const, multiple: true }]);
  try {
    parseArgs({ options: Object.fromEntries([...alone, ...withValue]) });
  } catch (error) {
    const known = [
      ...names.alone.map((name) => `--${name}`),
      ...names.withValue.map((name) => `--${name} <value>`),
    ];
    console.error(
      `${(error as Error).message} Known: ${known.join(", ")}; the head of the script says more.`,
    );
    process.exit(64);
  }
}
