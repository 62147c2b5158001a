/** Which messages a listing counts, and the text of the first. Sequences are tested in apply.test.ts. */
import { strict as assert } from "node:assert";
import { test } from "node:test";
import { countsAsUserMessage, userMessageText } from "../../src/session/picker.ts";
import type { SessionNodeRecord } from "../../src/session/types.ts";
import { append, message, node, replaceFull, SessionBench } from "./session-bench.ts";

const part = (kind: string, content: unknown = "x") => ({ id: "p", kind, content, pruneState: "Intact" });
const conversation = (role: unknown, parts: unknown) => ({ conversation: { id: "m", role, parts } });

const counted: [string, unknown, boolean][] = [
  ["a user's text", conversation("User", [part("Text")]), true],
  ["an assistant's text", conversation("Assistant", [part("Text")]), false],
  ["a system text", conversation("System", [part("Text")]), false],
  ["tool results only", conversation("User", [part("ToolResult"), part("ToolResult")]), false],
  ["tool calls only", conversation("User", [part("ToolCall")]), false],
  ["tool results beside a text", conversation("User", [part("ToolResult"), part("Text")]), true],
  ["an image", conversation("User", [part("Image")]), true],
  ["no parts at all", conversation("User", []), true],
  ["parts that are no list", conversation("User", "text"), true],
  ["a role we do not know", conversation("user", [part("Text")]), false],
  ["another event", { tool: { role: "User" } }, false],
  ["a conversation that is no object", { conversation: "User" }, false],
  ["a conversation that is null", { conversation: null }, false],
];
for (const [name, event, counts] of counted) {
  test(`${name} ${counts ? "counts" : "does not count"} as a user message`, () => {
    assert.equal(countsAsUserMessage(event), counts);
  });
}

const texts: [string, unknown[], string][] = [
  ["parts are joined by a blank line", [part("Text", "a"), part("Prose", "b")], "a\n\nb"],
  ["tool parts are left out", [part("ToolResult", "no"), part("Text", "a"), part("ToolCall", "no")], "a"],
  [
    "images have a stand-in, whatever they hold",
    [part("Text", "a"), part("Image", "data")],
    "a\n\n[Image attached]",
  ],
  ["the text is trimmed", [part("Text", "  \n a b \t")], "a b"],
  ["no parts give no text", [], ""],
  ["content that is no text is left out", [part("Text", 5), "x", null, part("Text", "a")], "a"],
  ["1,024 characters are kept", [part("Text", "x".repeat(1024))], "x".repeat(1024)],
  ["more are cut", [part("Text", `${"x".repeat(1024)}y`)], "x".repeat(1024)],
  [
    "a surrogate pair at the cut is left out whole",
    [part("Text", `${"x".repeat(1023)}😀😀`)],
    "x".repeat(1023),
  ],
  [
    "a surrogate pair before the cut stays",
    [part("Text", `${"x".repeat(1022)}😀😀`)],
    `${"x".repeat(1022)}😀`,
  ],
];
for (const [name, parts, text] of texts) {
  test(`first user message: ${name}`, () => {
    assert.equal(userMessageText(conversation("User", parts)), text);
  });
}

/** The picker after commits and tombstones, recomputed from the live nodes. */
function follow(bench: SessionBench, count: number, first: string): void {
  assert.deepEqual(bench.state.picker, { userMessageCount: count, firstUserMessage: first });
}

test("the picker follows appends, tombstones and replacements", () => {
  const bench = new SessionBench("permissive");
  follow(bench, 0, "");
  bench.commit(append([node("n"), message("r", "result", { kind: "ToolResult" })]));
  follow(bench, 0, "");
  bench.commit(
    append([message("a", "first"), message("b", "reply", { role: "Assistant" }), message("c", "second")]),
  );
  follow(bench, 2, "first");
  bench.tombstone("b", "n");
  follow(bench, 2, "first");
  bench.tombstone("a");
  follow(bench, 1, "second");
  bench.commit(append([message("d", "third")]));
  follow(bench, 2, "second");
  bench.tombstone("c", "d");
  follow(bench, 0, "");
  bench.commit(append([message("e", "fifth")]));
  follow(bench, 1, "fifth");
  bench.vacuum();
  follow(bench, 1, "fifth");
  bench.commit(replaceFull([message("e", "fifth"), message("a", "again")]));
  follow(bench, 2, "fifth");
  bench.commit(replaceFull([message("a", "again"), message("e", "fifth")]));
  follow(bench, 2, "again");
  bench.commit(replaceFull([]));
  follow(bench, 0, "");
});

test("messages of all branches count, and the first is the first in insertion order", () => {
  const bench = new SessionBench();
  const nodes: SessionNodeRecord[] = [
    node("root"),
    message("x", "off the path", { parent: "root" }),
    message("y", "on it", { parent: "root" }),
  ];
  bench.commit(append(nodes, "y"));
  follow(bench, 2, "off the path");
});

test("a first message with lone surrogates survives its record", () => {
  const bench = new SessionBench();
  bench.commit(append([message("a", "\ud800 hi \udfff")]));
  follow(bench, 1, "\ud800 hi \udfff");
});
