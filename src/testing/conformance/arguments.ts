/** Laws of arguments: shapes, ids, unknown fields, and that they are read before the call returns. */
import assert from "node:assert/strict";
import type { RuntimeCommit } from "../../session/types.ts";
import {
  append,
  chain,
  checkpoint,
  commit,
  config,
  ledgerEntry,
  messageNode,
  meta,
  pluginSnapshot,
  toolState,
  turnState,
  usage,
} from "./builders.ts";
import { nodeIds, read, refuses } from "./expect.ts";
import type { Area } from "./suite.ts";

/** 512 bytes of UTF-8 in 128 characters outside the basic plane. */
const LONGEST_ID = "😀".repeat(128);
const BAD_IDS: unknown[] = [
  "",
  `${LONGEST_ID}x`,
  "x".repeat(513),
  "\ud800",
  5,
  null,
  undefined,
  {},
  ["a"],
  1n,
];

const WRONG_COMMITS: [string, unknown][] = [
  ["nothing", undefined],
  ["null", null],
  ["text", "commit"],
  ["a list", []],
  ["no session id", { ...commit(), sessionId: undefined }],
  ["an empty session id", { ...commit(), sessionId: "" }],
  ["a session id that is no text", { ...commit(), sessionId: 5 }],
  ["a negative expected revision", { ...commit(), expectedHeadRevision: -1 }],
  ["a fractional expected revision", { ...commit(), expectedHeadRevision: 0.5 }],
  ["an expected revision of null", { ...commit(), expectedHeadRevision: null }],
  ["an expected revision that is too large", { ...commit(), expectedHeadRevision: 2 ** 53 }],
  ["an operation id that is no text", { ...commit(), operationId: 5 }],
  ["an empty operation id", { ...commit(), operationId: "" }],
  ["an unknown field", { ...commit(), unknown: 1 }],
  ["no config", { ...commit(), config: undefined }],
  ["a config with an unknown field", { ...commit(), config: { ...config(), unknown: 1 } }],
  ["a config without provider", { ...commit(), config: { ...config(), providerId: undefined } }],
  ["a negative context window", { ...commit(), config: { ...config(), contextWindow: -1 } }],
  [
    "an unknown context approach",
    { ...commit(), config: { ...config(), standardContextApproach: { kind: "x" } } },
  ],
  [
    "a context approach with an unknown field",
    { ...commit(), config: { ...config(), standardContextApproach: { kind: "rolling_history", x: 1 } } },
  ],
  ["no graph", { ...commit(), graph: undefined }],
  ["an unknown graph delta", { ...commit(), graph: { kind: "prepend", nodes: [] } }],
  ["an unchanged graph with nodes", { ...commit(), graph: { kind: "unchanged", nodes: [] } }],
  ["an append without nodes", { ...commit(), graph: { kind: "append" } }],
  ["an append of no list", { ...commit(), graph: { kind: "append", nodes: {} } }],
  ["a leaf that is no text", { ...commit(), graph: { kind: "unchanged", leafNodeId: 5 } }],
  ["an empty leaf", { ...commit(), graph: { kind: "unchanged", leafNodeId: "" } }],
  ["a replacement without graph", { ...commit(), graph: { kind: "replaceFull" } }],
  [
    "a replacement with an unknown field",
    { ...commit(), graph: { kind: "replaceFull", graph: { nodes: [], x: 1 } } },
  ],
  ["a node that is no object", { ...commit(), graph: { kind: "append", nodes: ["a"] } }],
  ["a list of nodes with a hole", { ...commit(), graph: { kind: "append", nodes: new Array(1) } }],
  [
    "a node without id",
    { ...commit(), graph: append([{ ...messageNode("a"), nodeId: undefined } as never]) },
  ],
  ["a node with an empty id", { ...commit(), graph: append([{ ...messageNode("a"), nodeId: "" }]) }],
  ["a node with an id that is too long", { ...commit(), graph: append([messageNode("x".repeat(513))]) }],
  ["a node with an empty parent", { ...commit(), graph: append([messageNode("a", "")]) }],
  [
    "a node without timestamp",
    { ...commit(), graph: append([{ ...messageNode("a"), timestamp: undefined } as never]) },
  ],
  ["a node of unknown kind", { ...commit(), graph: append([{ ...messageNode("a"), kind: "x" } as never]) }],
  [
    "an event node without event",
    { ...commit(), graph: append([{ ...messageNode("a"), event: undefined } as never]) },
  ],
  [
    "a node with an unknown field beside its payload",
    { ...commit(), graph: append([{ ...messageNode("a"), x: 1 } as never]) },
  ],
  ["no checkpoint", { ...commit(), checkpoint: undefined }],
  ["a checkpoint with an unknown field", { ...commit(), checkpoint: { ...checkpoint(), unknown: 1 } }],
  ["a checkpoint without turn state", { ...commit(), checkpoint: {} }],
  [
    "a turn index that is no counter",
    { ...commit(), checkpoint: checkpoint({ turnState: turnState({ turnIndex: -1 }) }) },
  ],
  [
    "a turn state with an unknown field",
    { ...commit(), checkpoint: { turnState: { ...turnState(), x: 1 } } },
  ],
  [
    "a plugin revision that is a number",
    { ...commit(), checkpoint: { ...checkpoint(), pluginSnapshotRevision: 1 } },
  ],
  ["a negative plugin revision", { ...commit(), checkpoint: checkpoint({ pluginSnapshotRevision: -1n }) }],
  [
    "a plugin revision above 64 bits",
    { ...commit(), checkpoint: checkpoint({ pluginSnapshotRevision: 2n ** 64n }) },
  ],
  ["a ref that is no ref", { ...commit(), checkpoint: checkpoint({ toolStateRef: 5 as never }) }],
  [
    "a tool state with an unknown field",
    { ...commit(), checkpoint: { ...checkpoint(), toolState: { ...toolState(1), x: 1 } } },
  ],
  [
    "a tool without source",
    {
      ...commit(),
      checkpoint: checkpoint({ toolState: { generation: 1, tools: { a: { manifest: 1 } } } as never }),
    },
  ],
  [
    "a plugin snapshot with an unknown field",
    { ...commit(), checkpoint: { ...checkpoint(), pluginSnapshot: { plugins: {}, x: 1 } } },
  ],
  [
    "an execution state that is no bytes",
    { ...commit(), checkpoint: checkpoint({ executionState: "x" as never }) },
  ],
  ["no usage", { ...commit(), usageDeltas: undefined }],
  ["usage without source", { ...commit(), usageDeltas: [{ model: "m", usage: usage(1) }] }],
  [
    "usage with an unknown field",
    { ...commit(), usageDeltas: [{ ...ledgerEntry("s", "m", usage(1)), x: 1 }] },
  ],
  [
    "usage with an unknown counter",
    { ...commit(), usageDeltas: [ledgerEntry("s", "m", { ...usage(1), other: 1 } as never)] },
  ],
];

export const argumentLaws: Area = ({ law }) => {
  law("a commit of a wrong shape is INVALID_COMMIT with a path and leaves no trace", async (fixture) => {
    for (const [what, value] of WRONG_COMMITS) {
      const error = await refuses(
        fixture.session().commitRuntimeState(value as never),
        "INVALID_COMMIT",
      ).catch((cause: unknown) => {
        throw new Error(`a commit with ${what}`, { cause });
      });
      assert.equal(error.code === "INVALID_COMMIT" && typeof error.path, "string", what);
      assert.ok(error.message.length > 0);
    }
    await fixture.holds(async () => assert.equal(await fixture.session().loadSession(), undefined));
  });

  law("ids may be any characters up to 512 bytes of UTF-8 and are never paths", async (fixture) => {
    const ids = [
      LONGEST_ID,
      "../../etc/passwd",
      "a/b\\c",
      " ",
      "\u0000",
      ".",
      "..",
      "__proto__",
      "constructor",
      "CON",
      "é",
      "e\u0301",
    ];
    for (const id of ids) {
      await fixture
        .session(id)
        .commitRuntimeState(commit({ sessionId: id, graph: append([messageNode(id)], id) }));
    }
    await fixture.holds(async () => {
      for (const id of ids) {
        const found = await read(fixture.session(id));
        assert.deepEqual([found.sessionId, found.headRevision, found.graph.leafNodeId], [id, 1, id]);
        assert.deepEqual(await fixture.session(id).loadNode(id), messageNode(id));
      }
    });
  });

  law("store.session throws INVALID_ARGUMENT at once on a bad id", (fixture) => {
    for (const id of BAD_IDS) {
      assert.throws(() => fixture.store.session(id as never), { code: "INVALID_ARGUMENT" });
    }
    return Promise.resolve();
  });

  law("bad node ids in reads and tombstones are INVALID_ARGUMENT", async (fixture) => {
    const session = fixture.session();
    for (const id of BAD_IDS) {
      await refuses(session.loadNode(id as never), "INVALID_ARGUMENT", { retry: "never" });
      await refuses(session.tombstoneNodes([id] as never), "INVALID_ARGUMENT");
    }
    for (const list of [undefined, null, "a", 5, { 0: "a" }]) {
      await refuses(session.tombstoneNodes(list as never), "INVALID_ARGUMENT");
    }
  });

  law("a bad leaf id in a scope is refused before anything is looked up", async (fixture) => {
    for (const leafNodeId of ["", 5, null, "x".repeat(513)]) {
      await assert.rejects(
        fixture.session().loadSession({ kind: "activePath", leafNodeId } as never),
        (error: { code?: unknown }) =>
          error.code === "INVALID_ARGUMENT" || error.code === "UNSUPPORTED_READ_SCOPE",
      );
    }
  });

  law("operations answer a promise and never throw synchronously", async (fixture) => {
    const session = fixture.session();
    const calls = [
      () => session.commitRuntimeState(undefined as never),
      () => session.loadSession(5 as never),
      () => session.loadNode(undefined as never),
      () => session.saveSessionMeta(undefined as never),
      () => session.tombstoneNodes(undefined as never),
      () => fixture.store.deleteSession(undefined as never),
    ];
    for (const call of calls) {
      const promise = call();
      assert.ok(promise instanceof Promise);
      await assert.rejects(promise);
    }
  });

  law("a getter that throws is that call's refusal and nothing more", async (fixture) => {
    const hostile = commit();
    Object.defineProperty(hostile, "graph", {
      enumerable: true,
      get() {
        throw new Error("hostile");
      },
    });
    await assert.rejects(fixture.session().commitRuntimeState(hostile));
    assert.equal((await fixture.session().commitRuntimeState(commit())).headRevision, 1);
  });

  law("changing a commit after the call changes nothing", async (fixture) => {
    const bytes = new Uint8Array([1, 2, 3]);
    const tools = toolState(1);
    const plugins = { list: [1, 2] };
    const nodes = chain("a", "b");
    const sent: RuntimeCommit = commit({
      graph: append(nodes, "b"),
      checkpoint: checkpoint({
        toolState: tools,
        pluginSnapshot: pluginSnapshot(plugins),
        executionState: bytes,
      }),
      usageDeltas: [ledgerEntry("turn", "m", usage(1))],
      operationId: "op",
    });
    const expected = structuredClone(sent);
    const promise = fixture.session().commitRuntimeState(sent);
    bytes.fill(9);
    tools.generation = 99;
    plugins.list.push(3);
    nodes.push(messageNode("c", "b"));
    const [first] = nodes;
    if (first !== undefined) first.timestamp = "changed";
    sent.config.providerId = "changed";
    sent.usageDeltas.push(ledgerEntry("turn", "m", usage(100)));
    sent.sessionId = "changed";
    sent.operationId = "changed";
    const answer = await promise;
    await fixture.holds(async () => {
      const found = await read(fixture.session());
      assert.deepEqual(await nodeIds(fixture.session()), ["a", "b"]);
      assert.deepEqual(found.graph.nodes, chain("a", "b"));
      assert.deepEqual(found.checkpoint.executionState, new Uint8Array([1, 2, 3]));
      assert.deepEqual(found.checkpoint.toolState, toolState(1));
      assert.deepEqual(found.checkpoint.pluginSnapshot, pluginSnapshot({ list: [1, 2] }));
      assert.deepEqual(found.config, config());
      assert.deepEqual(found.tokenLedger, [ledgerEntry("turn", "m", usage(1))]);
      assert.deepEqual(await fixture.session().commitRuntimeState(expected), { ...answer, replayed: true });
    });
  });

  law("a commit is not changed by being sent", async (fixture) => {
    const sent = commit({
      graph: append([messageNode("a")], "a"),
      checkpoint: checkpoint({ toolState: toolState(1), executionState: new Uint8Array([1]) }),
      usageDeltas: [ledgerEntry("turn", "m", usage(0))],
    });
    const before = structuredClone(sent);
    await fixture.session().commitRuntimeState(sent);
    assert.deepEqual(sent, before);
  });

  law("frozen arguments are welcome", async (fixture) => {
    const frozen = Object.freeze(
      commit({
        graph: Object.freeze(append(Object.freeze([Object.freeze(messageNode("a"))]) as never, "a")),
      }),
    );
    await fixture.session().commitRuntimeState(frozen);
    assert.deepEqual(await nodeIds(fixture.session()), ["a"]);
  });

  law("changing meta or an id list after the call changes nothing", async (fixture) => {
    const session = fixture.session();
    await session.commitRuntimeState(
      commit({ graph: append([messageNode("a"), messageNode("b"), messageNode("c")], "a") }),
    );
    const sent = meta();
    const saved = session.saveSessionMeta(sent);
    sent.sessionName = "changed";
    const ids = ["b"];
    const hidden = session.tombstoneNodes(ids);
    ids[0] = "c";
    await Promise.all([saved, hidden]);
    assert.deepEqual(await session.loadSessionMeta(), meta());
    assert.deepEqual(await nodeIds(session), ["a", "c"]);
  });

  law("a scope is read before the call returns", async (fixture) => {
    await fixture.session().commitRuntimeState(commit({ graph: append(chain("a", "b"), "b") }));
    const scope = { kind: "activePath" as const, leafNodeId: "a" };
    const promise = fixture.session().loadSession(scope);
    scope.leafNodeId = "b";
    assert.equal((await promise)?.graph.leafNodeId, "a");
  });
};
