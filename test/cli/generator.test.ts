/** The generator: the same again from the same seed, and sizes like those of a real session. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { generatedSource } from "../../src/cli/replay/source.ts";
import { parseTranscript } from "../../src/cli/replay/transcript.ts";
import { messageOf } from "../../src/cli/replay/turn.ts";

const turnText = (seed: number, session: number, turn: number) =>
  JSON.stringify(generatedSource(seed).turn(session, turn));

test("the same seed, session and turn give the same entries, in any order of asking", () => {
  const later = turnText(7, 3, 11);
  assert.equal(turnText(7, 3, 0), turnText(7, 3, 0));
  assert.equal(turnText(7, 3, 11), later);
});

test("another seed, session or turn gives other entries", () => {
  const texts = [turnText(7, 3, 4), turnText(8, 3, 4), turnText(7, 2, 4), turnText(7, 3, 5)];
  assert.equal(new Set(texts).size, texts.length);
});

test("made-up lines are lines that the parser takes without a word", () => {
  const source = generatedSource(1);
  const lines = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((turn) => source.turn(2, turn).entries);
  const text = lines.map((entry) => JSON.stringify(entry.raw)).join("\n");
  const { entries, problems } = parseTranscript("made-up", new TextEncoder().encode(text));
  assert.deepEqual(problems, []);
  assert.equal(entries.length, lines.length);
});

/** Bytes of lines by role, sorted, over many turns. */
function lineBytes(): Map<string, number[]> {
  const source = generatedSource(1);
  const sizes = new Map<string, number[]>();
  for (let turn = 0; turn < 1_500; turn++) {
    for (const entry of source.turn((turn % 20) + 1, turn).entries) {
      const role = String(messageOf(entry)?.role ?? entry.type);
      sizes.set(role, [...(sizes.get(role) ?? []), Buffer.byteLength(JSON.stringify(entry.raw))]);
    }
  }
  for (const list of sizes.values()) list.sort((left, right) => left - right);
  return sizes;
}

// Measured in a real session: 149–2,201 bytes of a prompt with a median of 227, and so on.
const REAL = [
  { role: "user", median: 227, p90: 354 },
  { role: "assistant", median: 677, p90: 1_720 },
  { role: "toolResult", median: 770, p90: 2_308 },
];

test("lines are about as long as those of a real session", () => {
  const sizes = lineBytes();
  for (const { role, median, p90 } of REAL) {
    const list = sizes.get(role) ?? [];
    const at = (share: number) => list[Math.floor(list.length * share)] ?? 0;
    assert.ok(at(0.5) > median / 2.5 && at(0.5) < median * 2.5, `${role}: median ${at(0.5)}`);
    assert.ok(at(0.9) > p90 / 2.5 && at(0.9) < p90 * 2.5, `${role}: p90 ${at(0.9)}`);
  }
});

test("roles are about as frequent as in a real session", () => {
  const sizes = lineBytes();
  const rounds = (sizes.get("toolResult")?.length ?? 0) / (sizes.get("user")?.length ?? 1);
  // 373 tool results and 88 prompts there.
  assert.ok(rounds > 2 && rounds < 6, `${rounds} tool results per prompt`);
});
