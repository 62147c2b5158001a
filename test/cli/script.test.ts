/** What a session sends: repeatable, valid under a strict graph, and with everything a host does in it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { SessionScript, type Step } from "../../src/cli/replay/script.ts";
import { generatedSource, type Source, transcriptSource } from "../../src/cli/replay/source.ts";
import { parseTranscript } from "../../src/cli/replay/transcript.ts";

function fixture(name: string): Source {
  const bytes = readFileSync(new URL(`../fixtures/transcripts/${name}`, import.meta.url));
  return transcriptSource([parseTranscript(name, bytes)]);
}

function steps(source: Source, session: number, count: number): Step[] {
  const script = new SessionScript(source, session);
  return Array.from({ length: count }, () => script.next());
}

test("a script is the same every time, and its steps are dense revisions", () => {
  const once = steps(generatedSource(3), 5, 300);
  assert.deepEqual(steps(generatedSource(3), 5, 300), once);
  assert.deepEqual(
    once.map((step) => step.revision),
    once.map((_, index) => index + 1),
  );
  assert.equal(new Set(once.map((step) => step.operationId)).size, 300);
});

test("a linear transcript becomes prompt, tool round and final commits", () => {
  const [first, second, third, fourth, fifth] = steps(fixture("linear.jsonl"), 1, 5);
  const seen = [first, second, third, fourth, fifth].map((step) => {
    const nodes = step?.graph.kind === "append" ? step.graph.nodes : [];
    return [step?.role, ...nodes.map((node) => `${node.parentNodeId ?? ""}>${node.nodeId}`)];
  });
  assert.deepEqual(seen, [
    ["prompt", ">1.1", "1.1>1.2"],
    ["progress", "1.2>1.3", "1.3>1.4"],
    ["final", "1.4>1.5"],
    ["prompt", "1.5>1.6", "1.6>1.7"],
    ["final"],
  ]);
  assert.equal(first?.config.modelVariant, "low");
  assert.equal(third?.turnState.turnIndex, 1);
  assert.deepEqual(first?.usage, []);
  assert.deepEqual(third?.usage, [
    { source: "turn", model: "small-1", usage: usage(212, 40, 1_000) },
    { source: "turn", model: "small-1", usage: usage(5, 9, 1_200) },
  ]);
  assert.equal(fourth?.config.configuredModel, "large-2");
});

test("a tree transcript keeps its branches and its second root", () => {
  const played = steps(fixture("tree.jsonl"), 1, 40);
  const lapEnd = played.findIndex((step) => step.endsLap);
  assert.notEqual(lapEnd, -1);
  const parents = new Map<string, string | undefined>();
  for (const step of played.slice(0, lapEnd + 1)) {
    if (step.graph.kind !== "append") continue;
    for (const node of step.graph.nodes) parents.set(node.nodeId, node.parentNodeId);
  }
  const own = (id: string) => [`1.${id}`, `1.${id}~1`];
  const follows = (child: string, parent: string) => own(parent).includes(parents.get(`1.${child}`) ?? "");
  assert.ok(follows("4", "1"), "b1 follows a1");
  assert.ok(follows("8", "3"), "c1 follows a3");
  assert.ok(parents.has("1.10") && parents.get("1.10") === undefined, "d1 is a root");
});

test("after the last line the transcript begins anew where the session stands", () => {
  const played = steps(fixture("linear.jsonl"), 1, 60);
  const end = played.findIndex((step) => step.endsLap);
  const next = played[end + 1];
  assert.ok(next?.graph.kind === "append");
  assert.match(next.graph.nodes[0]?.nodeId ?? "", /^2\.1/);
  assert.match(next.graph.nodes[0]?.parentNodeId ?? "", /^1\.10/);
});

/** What a strict store would refuse, and what a tombstone must not touch; answers the live ids. */
function replayStrictly(played: readonly Step[]): Set<string> {
  let live = new Map<string, string | undefined>();
  const used = new Set<string>();
  for (const step of played) {
    if (step.graph.kind === "replaceFull") {
      live = new Map(step.graph.graph.nodes.map((node) => [node.nodeId, node.parentNodeId]));
      for (const parent of live.values()) assert.ok(parent === undefined || live.has(parent));
    }
    for (const node of step.graph.kind === "append" ? step.graph.nodes : []) {
      assert.ok(!used.has(node.nodeId), `${node.nodeId} is new`);
      assert.ok(
        node.parentNodeId === undefined || live.has(node.parentNodeId),
        `${node.parentNodeId} is live`,
      );
      used.add(node.nodeId);
      live.set(node.nodeId, node.parentNodeId);
    }
    const leaf = step.graph.kind === "replaceFull" ? step.graph.graph.leafNodeId : step.graph.leafNodeId;
    assert.ok(leaf === undefined || live.has(leaf), `the leaf ${leaf} is live`);
    for (const action of step.after) {
      if (action.kind !== "tombstone") continue;
      for (const nodeId of action.nodeIds) live.delete(nodeId);
      for (const parent of live.values()) assert.ok(parent === undefined || live.has(parent));
      assert.ok(leaf === undefined || live.has(leaf), "the leaf stays");
    }
  }
  return new Set(live.keys());
}

for (const [name, source] of [
  ["generator", generatedSource(1)],
  ["linear", fixture("linear.jsonl")],
  ["tree", fixture("tree.jsonl")],
] as const) {
  test(`long scripts of the ${name} never ask for what a strict graph refuses`, () => {
    for (let session = 1; session <= 6; session++) {
      assert.ok(replayStrictly(steps(source, session, 1_200)).size > 0);
    }
  });
}

test("a script has branches, tombstones, vacuums, rewrites, a rename, retries of both kinds, and component changes", () => {
  const played = steps(generatedSource(1), 2, 1_500);
  const has = (what: (step: Step) => boolean) => assert.ok(played.some(what), String(what));
  has((step) => step.branches);
  has((step) => step.role === "rewrite");
  has((step) => step.retry === "afterwards");
  has((step) => step.retry === "inFlight");
  has((step) => step.graph.kind === "unchanged");
  for (const kind of ["tombstone", "vacuum", "meta"])
    has((step) => step.after.some((action) => action.kind === kind));
  has((step) => step.revision > 1 && step.components.toolState.kind === "send");
  has((step) => step.revision > 1 && step.components.pluginSnapshot.kind === "send");
  for (const kind of ["send", "carry", "none"]) has((step) => step.components.executionState.kind === kind);
});

test("execution states have realistic sizes that grow", () => {
  const sizes = steps(generatedSource(1), 2, 1_000).flatMap(({ components: { executionState } }) =>
    executionState.kind === "send" ? [executionState.value.length] : [],
  );
  assert.ok(Math.min(...sizes) < 8 * 1_024);
  assert.ok(Math.max(...sizes) > 24 * 1_024 && Math.max(...sizes) <= 64 * 1_024);
});

test("a carried or dropped component never comes before the first value", () => {
  for (let session = 1; session <= 4; session++) {
    let has = false;
    for (const { components } of steps(generatedSource(1), session, 400)) {
      const { kind } = components.executionState;
      if (kind === "carry") assert.ok(has);
      has = kind !== "none";
    }
  }
});

test("sessions of one tool generation send the same tools", () => {
  const tools = (session: number) => {
    const first = steps(generatedSource(1), session, 1)[0]?.components.toolState;
    return first?.kind === "send" ? first.value : undefined;
  };
  assert.notEqual(tools(1), undefined);
  assert.deepEqual(tools(1), tools(2));
});

test("the stored name tells a session's own input from another one", () => {
  const script = new SessionScript(generatedSource(1), 3);
  assert.ok(script.isOwnMeta(script.meta()));
  assert.ok(script.isOwnMeta(script.meta("turn 3")));
  assert.ok(!script.isOwnMeta(new SessionScript(generatedSource(2), 3).meta()));
  assert.ok(!script.isOwnMeta(new SessionScript(generatedSource(1), 31).meta()));
});

function usage(inputTokens: number, outputTokens: number, cachedInputTokens: number) {
  return { inputTokens, outputTokens, cachedInputTokens, reasoningTokens: 0 };
}
