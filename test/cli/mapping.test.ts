/** Entries become nodes without losing anything: each line can be built again from its node. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { nodeFromEntry } from "../../src/cli/replay/mapping.ts";
import { isObject, type JsonObject, parseTranscript } from "../../src/cli/replay/transcript.ts";
import type { Message, Part, SessionNodeRecord } from "../../src/session/types.ts";

const place = { nodeId: "n1", parentNodeId: "n0" };

/** A conversation node back into the entry it was made of. */
function entryFromNode(node: SessionNodeRecord): JsonObject {
  if (node.kind === "plugin") return node.body as JsonObject;
  if ("mode" in node.event) return (node.event.mode as { payload: JsonObject }).payload;
  const message = (node.event as { conversation: Message }).conversation;
  const origin = message.origin as unknown as { form: string; entry: JsonObject; message: JsonObject };
  const parts = message.parts.map((part) => partBack(part));
  const content =
    origin.form === "text" ? (message.parts[0]?.content ?? "") : origin.form === "empty" ? [] : parts;
  return { ...origin.entry, message: { ...origin.message, content } };
}

function partBack(part: Part): JsonObject {
  const meta = (value: unknown) => (value ?? {}) as JsonObject;
  if (part.attachment !== undefined) {
    const { bytes, ...rest } = part.attachment as { bytes?: Uint8Array };
    return bytes === undefined ? rest : { ...rest, data: Buffer.from(bytes).toString("base64") };
  }
  if (part.kind === "Reasoning")
    return { type: "thinking", thinking: part.content, ...meta(part.reasoningMeta) };
  if (part.kind !== "ToolCall") return { type: "text", text: part.content, ...meta(part.responseMeta) };
  const { toolCallId = "", toolName = "" } = part;
  return {
    type: "toolCall",
    id: toolCallId,
    name: toolName,
    arguments: JSON.parse(part.content),
    ...meta(part.toolReplay),
  };
}

for (const name of ["linear.jsonl", "tree.jsonl"]) {
  test(`every entry of ${name} can be built again from its node`, () => {
    const bytes = readFileSync(new URL(`../fixtures/transcripts/${name}`, import.meta.url));
    const { entries } = parseTranscript(name, bytes);
    for (const { type, raw } of entries) {
      assert.deepEqual(entryFromNode(nodeFromEntry(type, raw, place)), raw);
    }
  });
}

test("odd parts and contents survive as well", () => {
  const messages: JsonObject[] = [
    { role: "user", content: "" },
    { role: "user", content: [] },
    { role: "user", content: [{ type: "image", data: "not base64!", mimeType: "image/png" }] },
    { role: "user", content: [{ type: "audio", url: "x:y" }] },
    {
      role: "assistant",
      content: [{ type: "toolCall", id: "c", name: "n", arguments: null, partialJson: "{" }],
    },
    {
      role: "toolResult",
      toolCallId: "c",
      toolName: "n",
      content: [{ type: "image", data: "AAAA", mimeType: "a/b" }],
    },
    { role: "toolResult", toolCallId: "c", toolName: "n", content: "plain" },
    { role: "bashExecution", command: "ls", output: "" },
  ];
  for (const message of messages) {
    const raw = { type: "message", timestamp: 17, message };
    const back = entryFromNode(nodeFromEntry("message", raw, place));
    assert.ok(isObject(back));
    assert.deepEqual(back, raw);
  }
});

test("a tool result travels as a user message that holds nothing but results", () => {
  const message = {
    role: "toolResult",
    toolCallId: "c7",
    toolName: "read",
    content: [{ type: "text", text: "ok" }],
  };
  const node = nodeFromEntry("message", { type: "message", timestamp: "T", message }, place);
  assert.equal(node.timestamp, "T");
  assert.equal(node.parentNodeId, "n0");
  assert.ok(node.kind === "event" && "conversation" in node.event);
  const { role, parts } = node.event.conversation as Message;
  assert.equal(role, "User");
  assert.deepEqual(parts, [
    {
      id: "n1.0",
      kind: "ToolResult",
      content: "ok",
      pruneState: "Intact",
      toolCallId: "c7",
      toolName: "read",
    },
  ]);
});

test("changes of model and thinking level are mode events, a compaction a plugin node", () => {
  const kindOf = (type: string) => nodeFromEntry(type, { type }, { nodeId: "n", parentNodeId: undefined });
  assert.deepEqual(kindOf("model_change"), {
    nodeId: "n",
    timestamp: "",
    kind: "event",
    event: { mode: { modeId: "model", payload: { type: "model_change" } } },
  });
  assert.deepEqual(kindOf("thinking_level_change"), {
    nodeId: "n",
    timestamp: "",
    kind: "event",
    event: { mode: { modeId: "thinking", payload: { type: "thinking_level_change" } } },
  });
  assert.deepEqual(kindOf("compaction"), {
    nodeId: "n",
    timestamp: "",
    kind: "plugin",
    pluginType: "pi.compaction",
    body: { type: "compaction" },
  });
});
