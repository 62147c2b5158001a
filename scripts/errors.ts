/**
 * docs/errors.md from the table of codes in src/errors.ts: with `--write` it is written, without it a stale
 * file fails. The prose around the table lives here, so that the file has one source.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { STORE_ERRORS } from "../src/errors.ts";

export const ERRORS_DOC = "docs/errors.md";

const HEAD = `# Errors

Every failure a caller can meet is a \`StoreError\`: an \`Error\` whose \`name\` is \`"StoreError"\`, with a stable
\`code\`, the advice \`retry\`, and the fields of its code. Recognise one with \`isStoreError(value, code?)\`: it
works across threads and copies of the package, where \`instanceof\` does not. An answer of \`undefined\` is never
an error in disguise: it is given only after a completed read that found nothing.

\`retry\` says what a host does next:

| retry | do |
|---|---|
| \`reload\` | read the session again, decide again |
| \`same\` | send the same call again, a little later |
| \`reopen\` | close the store and open it again |
| \`never\` | fix the call, or call an operator |

## Codes

| code | retry | fields | meaning |
|---|---|---|---|
`;

const TAIL = `
## When the log fails

A write or sync of the log that fails is never retried: after a failed sync the operating system may have
forgotten the bytes and still call the next sync a success. Writes in flight get \`COMMIT_OUTCOME_UNKNOWN\`: they
may or may not be there. Everything after gets \`STORE_POISONED\` with the cause; reads go on. Reopen the store
and, where a commit had an \`operationId\`, send it again: it is answered from its receipt if it was stored, and
stored if it was not.

This file is generated: \`node --import tsx scripts/errors.ts --write\`.
`;

/** The whole file, from the table and from the fields that src/errors.ts declares. */
export function errorsDocument(source: string): string {
  const rows = Object.entries(STORE_ERRORS).map(([code, { retry, meaning }]) => {
    const fields = fieldsOf(source, code)
      .map((field) => `\`${field}\``)
      .join(" ");
    return `| \`${code}\` | \`${retry}\` | ${fields} | ${meaning} |`;
  });
  return `${HEAD}${rows.join("\n")}\n${TAIL}`;
}

/** Names of the fields of a code in \`StoreErrorFields\`, with "?" where they may be absent. */
function fieldsOf(source: string, code: string): string[] {
  const declared = new RegExp(`^  ${code}: (.*);$`, "m").exec(source)?.[1];
  if (declared === undefined) throw new Error(`src/errors.ts declares no fields for ${code}`);
  if (!declared.startsWith("{")) return [];
  const outer = declared.slice(1, -1).replace(/\{[^{}]*\}/g, "object");
  return [...outer.matchAll(/(\w+\??):/g)].map((match) => match[1] ?? "");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const document = errorsDocument(readFileSync("src/errors.ts", "utf8"));
  if (process.argv.includes("--write")) writeFileSync(ERRORS_DOC, document);
  else if (readFileSync(ERRORS_DOC, "utf8") !== document) {
    console.error(`${ERRORS_DOC} is stale: node --import tsx scripts/errors.ts --write`);
    process.exit(1);
  }
}
