/** Laws of picker info: first user message and count, kept up to date by every kind of change. */
import assert from "node:assert/strict";
import type { Part, SessionNodeRecord } from "../../session/types.ts";
import { append, commit, eventNode, messageNode, meta, part, pluginNode, replaceFull } from "./builders.ts";
import { listed } from "./expect.ts";
import type { Area, Fixture } from "./suite.ts";

function userNode(nodeId: string, parts: Part[], parent?: string): SessionNodeRecord {
  return eventNode(nodeId, parent, { conversation: { id: nodeId, role: "User", parts } });
}

async function picker(fixture: Fixture): Promise<[string, number]> {
  const entries = await listed(fixture.store, { includeChildren: true });
  const entry = entries.find((candidate) => candidate.sessionId === "root");
  assert.ok(entry);
  return [entry.firstUserMessage, entry.userMessageCount];
}

async function pickerOf(fixture: Fixture, nodes: SessionNodeRecord[]): Promise<[string, number]> {
  await fixture.session().commitRuntimeState(commit({ graph: replaceFull(nodes) }));
  return picker(fixture);
}

export const pickerLaws: Area = ({ law }) => {
  law("user messages of all branches are counted in insertion order, others not", async (fixture) => {
    const nodes = [
      messageNode("s", undefined, "system", "System"),
      messageNode("a0", "s", "assistant", "Assistant"),
      pluginNode("p", "s", { conversation: "no message" }),
      messageNode("u2", "a0", "on a branch that is not active"),
      messageNode("u1", "s", "on the active path"),
    ];
    await fixture.session().commitRuntimeState(commit({ graph: append(nodes, "u1") }));
    await fixture.holds(async () =>
      assert.deepEqual(await picker(fixture), ["on a branch that is not active", 2]),
    );
  });

  law("without a user message the text is empty and the count zero", async (fixture) => {
    await fixture
      .session()
      .commitRuntimeState(commit({ graph: append([messageNode("a", undefined, "x", "Assistant")]) }));
    await fixture.holds(async () => assert.deepEqual(await picker(fixture), ["", 0]));
  });

  law("messages that hold nothing but tool parts are skipped", async (fixture) => {
    const tools = userNode("t", [part("result", { kind: "ToolResult" }), part("call", { kind: "ToolCall" })]);
    const mixed = userNode("m", [part("result", { kind: "ToolResult" }), part("words")], "t");
    assert.deepEqual(await pickerOf(fixture, [tools]), ["", 0]);
    assert.deepEqual(await pickerOf(fixture, [tools, mixed]), ["words", 1]);
  });

  law(
    "the text joins the parts that are not tool parts by a blank line and trims the whole",
    async (fixture) => {
      const node = userNode("u", [
        part("  first "),
        part("call", { kind: "ToolCall" }),
        part("ignored content", { kind: "Image" }),
        part("code", { kind: "Code" }),
        part("last\n\n"),
      ]);
      assert.deepEqual(await pickerOf(fixture, [node]), ["first \n\n[Image attached]\n\ncode\n\nlast", 1]);
    },
  );

  law("the text is cut at 1,024 characters and never through a character", async (fixture) => {
    assert.deepEqual(await pickerOf(fixture, [messageNode("u", undefined, "x".repeat(1_024))]), [
      "x".repeat(1_024),
      1,
    ]);
    assert.deepEqual(await pickerOf(fixture, [messageNode("u", undefined, "x".repeat(9_000))]), [
      "x".repeat(1_024),
      1,
    ]);
    const [text] = await pickerOf(fixture, [messageNode("u", undefined, `x${"😀".repeat(2_000)}`)]);
    assert.ok([...text].length <= 1_024);
    assert.ok(text.isWellFormed());
    assert.ok(text.startsWith("x😀"));
  });

  law("shapes we do not know are no messages", async (fixture) => {
    const nodes = [
      eventNode("a", undefined, { conversation: { role: "User" } } as never),
      eventNode("b", undefined, { conversation: 5 } as never),
      eventNode("c", undefined, { somethingNew: { role: "User", parts: [part("x")] } } as never),
    ];
    await fixture.session().commitRuntimeState(commit({ graph: replaceFull(nodes) }));
    const [text] = await picker(fixture);
    assert.equal(text, "");
    assert.deepEqual(await fixture.session().loadNode("c"), nodes[2]);
  });

  law("tombstones take messages out and replaceFull brings them back", async (fixture) => {
    const session = fixture.session();
    const nodes = [
      messageNode("r", undefined, "system", "System"),
      messageNode("u1", "r", "first"),
      messageNode("u2", "r", "second"),
    ];
    await session.commitRuntimeState(commit({ graph: append(nodes, "u2") }));
    assert.deepEqual(await picker(fixture), ["first", 2]);
    await session.tombstoneNodes(["u1"]);
    await fixture.holds(async () => assert.deepEqual(await picker(fixture), ["second", 1]));
    await fixture.session().vacuum();
    await fixture.holds(async () => assert.deepEqual(await picker(fixture), ["second", 1]));
    await fixture.session().commitRuntimeState(commit({ graph: replaceFull(nodes, "u2") }));
    await fixture.holds(async () => assert.deepEqual(await picker(fixture), ["first", 2]));
    await fixture.session().commitRuntimeState(commit({ graph: replaceFull([]) }));
    await fixture.holds(async () => assert.deepEqual(await picker(fixture), ["", 0]));
  });

  law("appends after a snapshot count on", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(commit({ graph: append([messageNode("u1", undefined, "one")], "u1") }));
    await fixture.store.snapshot();
    await session.commitRuntimeState(commit({ graph: append([messageNode("u2", "u1", "two")], "u2") }));
    await fixture.holds(async () => assert.deepEqual(await picker(fixture), ["one", 2]));
  });

  law(
    "an entry holds cwd and parent of the meta and the head's revision, absent keys absent",
    async (fixture) => {
      const session = fixture.session();
      await session.saveSessionMeta(meta("root", { cwd: "/home/me", parentSessionId: "mother" }));
      await fixture.holds(async () => {
        const [entry] = await listed(fixture.store, { includeChildren: true });
        assert.deepEqual(entry, {
          sessionId: "root",
          cwd: "/home/me",
          parentSessionId: "mother",
          firstUserMessage: "",
          userMessageCount: 0,
          cursor: entry?.cursor,
        });
        assert.equal(typeof entry?.cursor, "string");
      });
      await fixture.session().saveSessionMeta(meta("root"));
      await fixture
        .session()
        .commitRuntimeState(commit({ graph: append([messageNode("u", undefined, "hello")], "u") }));
      await fixture.holds(async () => {
        const [entry] = await listed(fixture.store);
        assert.deepEqual(entry, {
          sessionId: "root",
          firstUserMessage: "hello",
          userMessageCount: 1,
          headRevision: 1,
          cursor: entry?.cursor,
        });
      });
    },
  );
};
