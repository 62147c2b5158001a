/** The parser against hand-written lines: both forms, and every way a line can be wrong. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseTranscript } from "../../src/cli/replay/transcript.ts";

const fixture = (name: string) =>
  parseTranscript(name, readFileSync(new URL(`../fixtures/transcripts/${name}`, import.meta.url)));
const parse = (...lines: string[]) => parseTranscript("in.jsonl", new TextEncoder().encode(lines.join("\n")));
const user = (text: string, more = "") =>
  `{"type":"message"${more},"message":{"role":"user","content":${JSON.stringify(text)}}}`;

test("in the linear form each entry follows the one before it", () => {
  const { header, entries, problems } = fixture("linear.jsonl");
  assert.equal(header?.cwd, "/home/ada/clock");
  assert.deepEqual(
    entries.map((entry) => entry.parent),
    [undefined, 0, 1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.deepEqual(problems, []);
});

test("in the tree form each entry follows the one it names", () => {
  const { entries, problems } = fixture("tree.jsonl");
  assert.deepEqual(
    entries.map((entry) => entry.parent),
    [undefined, 0, 1, 0, 3, 4, 5, 2, 7, undefined],
  );
  assert.deepEqual(problems, []);
});

test("bad lines are named with file and line, and every other line is kept", () => {
  const { entries, problems } = fixture("bad-lines.jsonl");
  assert.deepEqual(
    entries.map((entry) => entry.raw.id),
    ["a1", "a3", "a5"],
  );
  assert.deepEqual(
    entries.map((entry) => entry.parent),
    [undefined, 0, 1],
  );
  assert.deepEqual(
    problems.map(({ file, line, message }) => `${file}:${line} ${message.replace(/JSON: .*;/, "JSON: …;")}`),
    [
      "bad-lines.jsonl:3 is not JSON: …; left out",
      "bad-lines.jsonl:4 is not a JSON object; left out",
      'bad-lines.jsonl:6 names an unknown parent "nowhere"; it follows the entry before it',
      "bad-lines.jsonl:7 message.content[0].text is missing; left out",
    ],
  );
});

const BAD: readonly (readonly [line: string, message: string])[] = [
  ["7", "is not a JSON object"],
  ["null", "is not a JSON object"],
  ["{}", "type is missing"],
  ['{"type":5}', "type is not text"],
  ['{"type":"message","id":5,"message":{"role":"user","content":""}}', "has an id that is not text"],
  ['{"type":"message"}', "is a message without a message object"],
  ['{"type":"message","message":{"content":""}}', "message.role is missing"],
  ['{"type":"message","message":{"role":"user"}}', "message.content is neither text nor a list"],
  ['{"type":"message","message":{"role":"user","content":[1]}}', "message.content[0] is not an object"],
  ['{"type":"message","message":{"role":"user","content":[{}]}}', "message.content[0].type is missing"],
  [
    '{"type":"message","message":{"role":"assistant","content":[{"type":"toolCall","id":"c","name":"n"}]}}',
    "message.content[0].arguments is missing",
  ],
  [
    '{"type":"message","message":{"role":"toolResult","content":"","toolName":"n"}}',
    "message.toolCallId is missing",
  ],
  [
    '{"type":"message","message":{"role":"assistant","content":[],"usage":{"input":-1}}}',
    "message.usage.input is not a count",
  ],
  [
    '{"type":"message","message":{"role":"assistant","content":[],"usage":[]}}',
    "message.usage is not an object",
  ],
  ['{"type":"model_change","provider":"p"}', "modelId is missing"],
  ['{"type":"thinking_level_change"}', "thinkingLevel is missing"],
  ['{"type":"compaction"}', "summary is missing"],
  ['{"type":"custom","data":1e999}', "holds a number that is not finite"],
  [`{"type":"custom","data":${"[".repeat(95)}${"]".repeat(95)}}`, "is nested deeper than 90 levels"],
];
for (const [line, message] of BAD) {
  test(`a line that ${message} is left out: ${line.slice(0, 60)}`, () => {
    const { entries, problems } = parse(user("before"), line, user("after"));
    assert.equal(entries.length, 2);
    assert.deepEqual(problems, [{ file: "in.jsonl", line: 2, message: `${message}; left out` }]);
  });
}

test("a line that is not UTF-8 is left out", () => {
  const bytes = Buffer.concat([Buffer.from(`${user("a")}\n`), Buffer.from([0x22, 0xff, 0x22, 0x0a])]);
  const { entries, problems } = parseTranscript("in.jsonl", bytes);
  assert.equal(entries.length, 1);
  assert.deepEqual(problems, [{ file: "in.jsonl", line: 2, message: "is not UTF-8; left out" }]);
});

test("a line longer than any commit may be is left out", () => {
  const { entries, problems } = parse(user("x".repeat(5 * 1024 * 1024)), user("after"));
  assert.equal(entries.length, 1);
  assert.match(problems[0]?.message ?? "", /^is longer than \d+ bytes; left out$/);
});

test("a repeated id is left out", () => {
  const { entries, problems } = parse(
    user("one", ',"id":"a","parentId":null'),
    user("two", ',"id":"a","parentId":"a"'),
  );
  assert.equal(entries.length, 1);
  assert.deepEqual(problems, [{ file: "in.jsonl", line: 2, message: 'repeats the id "a"; left out' }]);
});

test("a byte order mark, blank lines and carriage returns are no problem", () => {
  const { entries, problems } = parse(`\ufeff${user("one")}\r`, "", "  \r", user("two"));
  assert.equal(entries.length, 2);
  assert.deepEqual(problems, []);
});

test("a negative zero is read as the zero it will be stored as", () => {
  const { entries } = parse('{"type":"custom","data":[-0]}');
  assert.deepEqual(entries[0]?.raw.data, [0]);
});

test("a second session line and an unknown type are entries like any other", () => {
  const { header, entries, problems } = parse(
    '{"type":"session","id":"1"}',
    '{"type":"session","id":"2"}',
    '{"type":"label","text":"x"}',
  );
  assert.equal(header?.id, "1");
  assert.deepEqual(
    entries.map((entry) => entry.type),
    ["session", "label"],
  );
  assert.deepEqual(problems, []);
});
