/** `varve repair`: saves what can be saved of a store into a new directory, and says what is lost. */
import { isStoreError } from "../../errors.ts";
import { isLossless, repairStore } from "../../inspect/repair.ts";
import { diskVfs } from "../../vfs/disk.ts";
import { readArguments } from "../arguments.ts";
import { type Command, CommandError, EXIT, UsageError } from "../command.ts";
import { storePath } from "../directory.ts";
import { painter } from "../text.ts";
import { repairText } from "./repair-text.ts";

const HELP = `varve repair DIR --into NEWDIR [options]
varve repair DIR --dry-run [options]

Saves everything that can still be read of a store into a new one, and says what is lost:
sessions, revisions, nodes, blobs, records. DIR is never written to. It may not be open in
any process; NEWDIR must be absent or empty. What is written is verified before it counts.

A session whose newest state cannot be read falls back to its newest whole one, by the
older generation and the log. Revisions, ledgers, receipts, tombstones, deleted ids and
the order of listings stay as they were. Blobs that no session names are left behind.

  --into NEWDIR   where the new store goes
  --dry-run       write nothing, only say what would be kept and lost
  --json          as JSON
  --help          print this

Exit codes: 0 nothing lost, 1 something lost (said), 2 could not, 64 bad arguments,
66 no store there.
`;

const SOMETHING_LOST = 1;
const COULD_NOT = 2;

export const repairCommand: Command = {
  help: HELP,
  run: async (args, { out, color }) => {
    const { values, positionals } = readArguments(args, {
      command: "repair",
      positionals: ["DIR"],
      options: { into: { type: "string" }, "dry-run": { type: "boolean" }, json: { type: "boolean" } },
    });
    const { into } = values;
    const isDryRun = values["dry-run"] === true;
    if ((into === undefined) === !isDryRun) {
      throw new UsageError(
        `repair needs either --into NEWDIR or --dry-run${into === undefined ? "" : ", not both"}`,
      );
    }
    if (into === "") throw new UsageError("--into must name a directory");
    const target = into === undefined ? undefined : storePath(into);
    const report = repair(storePath(positionals[0] ?? ""), target);
    const json = { ...report, outcome: isLossless(report) ? "nothing lost" : "something lost" };
    await out.write(values.json === true ? `${JSON.stringify(json)}\n` : repairText(report, painter(color)));
    return isLossless(report) ? EXIT.ok : SOMETHING_LOST;
  },
};

/** What keeps a repair from being done is one line and its own exit code. */
function repair(source: string, target: string | undefined) {
  try {
    return repairStore(diskVfs, { source, target });
  } catch (error) {
    if (isStoreError(error, "NOT_A_STORE") || !isStoreError(error)) throw error;
    throw new CommandError(COULD_NOT, error.message);
  }
}
