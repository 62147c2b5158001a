/** The operator's commands on a disk, as processes: live, closed, crashed and damaged stores. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findCommand } from "../../src/cli/registry.ts";
import { fromJson, openStore } from "../../src/index.ts";
import { append, chain, commit, messageNode, meta } from "../support/builders.ts";
import { invoke } from "./invoke.ts";
import { run, start, temporaryDirectory } from "./run-varve.ts";

const OPTIONS = { segmentBytes: 64 * 1024, snapshot: false, gc: false } as const;

/** Two sessions and a child, two snapshots, a tail; closed. */
async function makeStore(t: TestContext): Promise<string> {
  const directory = join(await temporaryDirectory(t), "store");
  const store = await openStore(directory, OPTIONS);
  for (let round = 1; round <= 3; round++) {
    for (const sessionId of ["alpha", "beta \u001b[31mred"]) {
      const node = messageNode(
        `n${round}`,
        round === 1 ? undefined : `n${round - 1}`,
        `${sessionId} says ${round}`,
      );
      await store.session(sessionId).commitRuntimeState(
        commit({
          sessionId,
          graph: append([node], node.nodeId),
          usageDeltas: [
            {
              source: "turn",
              model: "m",
              usage: { inputTokens: 7, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
            },
          ],
        }),
      );
    }
    if (round < 3) await store.snapshot();
  }
  await store.session("alpha").saveSessionMeta(meta("alpha"));
  await store.session("fork").saveSessionMeta(meta("fork", { parentSessionId: "alpha" }));
  await store
    .session("fork")
    .commitRuntimeState(commit({ sessionId: "fork", graph: append(chain("a", "b"), "b") }));
  await store.close();
  return directory;
}

async function json<Value>(
  t: TestContext,
  ...args: string[]
): Promise<{ code: number | null; value: Value }> {
  const { code, stdout, stderr } = await run(t, ...args, "--json");
  assert.equal(stderr, "", args.join(" "));
  return { code, value: JSON.parse(stdout) as Value };
}

async function jsonOf<Value>(
  name: string,
  ...args: string[]
): Promise<{ code: number | null; value: Value }> {
  const { code, stdout } = await invoke(name, ...args, "--json");
  return { code, value: JSON.parse(stdout) as Value };
}

function contentOf(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true })
    .map(String)
    .filter((name) => statSync(join(directory, name)).isFile());
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(directory, name)).toString("base64")]),
  );
}

test("a closed store is looked at by every command, and not one byte of it changes", async (t) => {
  const directory = await makeStore(t);
  const before = contentOf(directory);
  const info = await json<{
    owner: { state: string };
    manifests: { number: number }[];
    log: { isCleanClose: boolean; lsn: number; unfolded: { records: number; bytes: number } };
    troubles: unknown[];
    sessions: number;
    children: number;
  }>(t, "info", directory, "--count");
  assert.equal(info.code, 0);
  assert.deepEqual(
    [info.value.owner.state === "open", info.value.log.isCleanClose, info.value.troubles],
    [false, true, []],
  );
  assert.deepEqual(
    info.value.manifests.map(({ number }) => number),
    [3, 2],
  );
  // Two commits of the last round, two metas, a commit of the fork.
  assert.equal(info.value.log.unfolded.records, 5);
  assert.ok(info.value.log.unfolded.bytes > 5 * 100, `${info.value.log.unfolded.bytes}`);
  assert.deepEqual([info.value.sessions, info.value.children], [3, 1]);
  const told = await run(t, "info", directory, "--count");
  assert.match(told.stdout, /^sessions {2,}3, 1 of them with a parent$/m);
  assert.match(told.stdout, /; 5 records \([\d.]+ KiB\) beyond the snapshot$/m);
  const listed = await run(t, "ls", directory);
  assert.deepEqual(
    listed.stdout
      .split("\n")
      .slice(1, 3)
      .map((line) => line.split(/ {2,}/).slice(0, 3)),
    [
      ['"beta \\u001b[31mred"', "3", "3"],
      ["alpha", "3", "3"],
    ],
  );
  assert.ok(!listed.stdout.includes("\u001b"));
  const verified = await run(t, "verify", directory, "--deep");
  assert.deepEqual([verified.code, verified.stderr], [0, ""]);
  assert.match(verified.stdout, /^clean/);
  const dry = await run(t, "repair", directory, "--dry-run");
  assert.deepEqual([dry.code, dry.stdout], [0, "would keep 3 sessions\nnothing would be lost\n"]);
  assert.deepEqual(contentOf(directory), before);
});

test("ls pages through a store, and shows children when asked", async (t) => {
  const directory = await makeStore(t);
  const first = await invoke("ls", directory, "--all", "--limit", "1", "--json");
  const fork = JSON.parse(first.stdout) as {
    sessionId: string;
    parentSessionId: string;
    nodes: number;
    headRevision: number;
    cursor: string;
  };
  assert.deepEqual(
    [fork.sessionId, fork.parentSessionId, fork.nodes, fork.headRevision],
    ["fork", "alpha", 2, 1],
  );
  const rest = await invoke("ls", directory, "--children", "--after", fork.cursor, "--json");
  const ids = rest.stdout
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { sessionId: string }).sessionId);
  assert.deepEqual(ids, ["beta \u001b[31mred", "alpha"]);
});

test("show tells a session's head, nodes, checkpoint, ledger and meta, for reading and as JSON", async (t) => {
  const directory = await makeStore(t);
  const path = await invoke("show", directory, "alpha");
  assert.match(path.stdout, /^revision +3$/m);
  assert.match(path.stdout, /^\* n3 {2}User {2}alpha says 3$/m);
  const full = await invoke("show", directory, "alpha", "--full", "--json");
  assert.deepEqual(
    fromJson<{ graph: { nodes: { nodeId: string }[] } }>(full.stdout).graph.nodes.map(({ nodeId }) => nodeId),
    ["n1", "n2", "n3"],
  );
  const newest = await invoke("show", directory, "alpha", "--limit", "1");
  assert.match(newest.stdout, /^\* n3 .*\n\nolder: --leaf "n2"\n$/m);
  assert.doesNotMatch(newest.stdout, /^ {2}n2/m);
  const older = await invoke("show", directory, "alpha", "--limit", "1", "--leaf", "n1");
  assert.match(older.stdout, /alpha says 1\n$/);
  const node = await invoke("show", directory, "alpha", "--node", "n2", "--json");
  assert.equal(fromJson<{ parentNodeId: string }>(node.stdout).parentNodeId, "n1");
  const ledger = await invoke("show", directory, "alpha", "--ledger");
  assert.match(ledger.stdout, /^turn +m +21 +0 +0 +0$/m);
  const described = await invoke("show", directory, "alpha", "--meta");
  assert.match(described.stdout, /^sessionName +name of alpha$/m);
  const checkpoint = await invoke("show", directory, "alpha", "--checkpoint", "--json");
  assert.equal(fromJson<{ turnState: { turnIndex: number } }>(checkpoint.stdout).turnState.turnIndex, 1);
  for (const args of [["nobody"], ["alpha", "--node", "n9"]]) {
    const absent = await invoke("show", directory, ...args);
    assert.deepEqual([absent.code, absent.stdout], [1, ""]);
    assert.match(absent.stderr, /^varve: session ".+" .+\n$/);
  }
});

test("log prints every record with its place, filtered by LSN, session and type", async (t) => {
  const directory = await makeStore(t);
  const all = (await invoke("log", directory, "--json")).stdout
    .trim()
    .split("\n")
    .map(
      (line) =>
        JSON.parse(line) as {
          kind: string;
          lsn: number;
          type: string;
          session?: string;
          revision?: number;
          file: string;
          offset: number;
          crc: string;
        },
    );
  const records = all.filter(({ kind, type }) => kind === "frame" && type !== "link" && type !== "seal");
  // Two snapshots were taken, behind LSN 2 and 4: the log is kept from the older one on.
  assert.deepEqual(
    records.map(({ lsn }) => lsn).filter((lsn) => lsn > 2),
    [3, 4, 5, 6, 7, 8, 9],
  );
  assert.equal(all.filter(({ type }) => type === "seal").length, 1);
  const last = records.at(-1);
  assert.deepEqual([last?.type, last?.session, last?.revision], ["commit", "fork", 1]);
  // The checksum is the frame's first word, in the file and place it names.
  assert.ok(last);
  assert.equal(readFileSync(last.file).readUInt32LE(last.offset).toString(16).padStart(8, "0"), last.crc);
  const some = await run(
    t,
    "log",
    directory,
    "--from",
    "2",
    "--to",
    "5",
    "--session",
    "alpha",
    "--type",
    "commit",
  );
  assert.deepEqual(
    some.stdout
      .trim()
      .split("\n")
      .map((line) => /LSN (\d+).*alpha (r\d)/.exec(line)?.slice(1)),
    [
      ["3", "r2"],
      ["5", "r3"],
    ],
  );
});

test("a live store is looked at beside its owner, who goes on", async (t) => {
  const directory = join(await temporaryDirectory(t), "store");
  const store = await openStore(directory, OPTIONS);
  await store.session("s").commitRuntimeState(commit({ sessionId: "s" }));
  const [info, verified, listed, logged, refused] = await Promise.all([
    json<{ owner: { state: string; pid: number } }>(t, "info", directory),
    run(t, "verify", directory, "--deep"),
    run(t, "ls", directory),
    run(t, "log", directory),
    run(t, "repair", directory, "--dry-run"),
  ]);
  assert.equal(info.value.owner.pid, process.pid);
  assert.ok(["open", "perhaps"].includes(info.value.owner.state));
  if (process.platform === "linux") assert.equal(info.value.owner.state, "open");
  assert.deepEqual([verified.code, listed.code, logged.code], [0, 0, 0]);
  assert.match(logged.stdout, /commit .* s r1/);
  assert.deepEqual([refused.code, refused.stdout], [2, ""]);
  assert.match(refused.stderr, new RegExp(`^varve: .*process ${process.pid}.*\\n$`));
  assert.equal(
    (await store.session("s").commitRuntimeState(commit({ sessionId: "s", expectedHeadRevision: 1 })))
      .headRevision,
    2,
  );
  await store.close();
});

test("a damaged store is named by place and bit, listed as far as it can be, and repaired elsewhere", async (t) => {
  const directory = await makeStore(t);
  const [segment] = readdirSync(join(directory, "wal"))
    .filter((name) => name.endsWith(".wal") && isUsed(join(directory, "wal", name)))
    .slice(-1);
  const path = join(directory, "wal", segment ?? "");
  const bytes = readFileSync(path);
  // The first record behind the LINK: alpha's third commit.
  bytes[4184 + 60] = (bytes[4184 + 60] ?? 0) ^ 2;
  writeFileSync(path, bytes);
  const before = contentOf(directory);
  const verified = await invoke("verify", directory);
  assert.equal(verified.code, 2);
  assert.match(verified.stdout, new RegExp(`one flipped bit: byte ${4184 + 60}, bit 1`));
  assert.match(verified.stdout, /session alpha is kept at revision 2, without revision 3/);
  const logged = await invoke("log", directory);
  assert.equal(logged.code, 1);
  assert.match(logged.stdout, /corrupt: no frame of LSN 5, .*it was a commit of alpha r3/);
  const target = join(directory, "..", "repaired");
  const repaired = await jsonOf<{ losses: { sessionId: string; keptRevision: number }[]; target: string }>(
    "repair",
    directory,
    "--into",
    target,
  );
  assert.equal(repaired.code, 1);
  assert.deepEqual(
    repaired.value.losses.map(({ sessionId, keptRevision }) => [sessionId, keptRevision]),
    [["alpha", 2]],
  );
  assert.deepEqual(contentOf(directory), before);
  assert.equal((await invoke("verify", target, "--deep")).code, 0);
  const again = await invoke("repair", directory, "--into", target);
  assert.deepEqual([again.code, again.stdout], [2, ""]);
  assert.match(again.stderr, /^varve: .*is not empty.*\n$/);
});

/** Whether a LINK was written into a segment. */
function isUsed(path: string): boolean {
  return (
    readFileSync(path)
      .subarray(4096, 4184)
      .some((byte) => byte !== 0) &&
    readFileSync(path)
      .subarray(4184, 4192)
      .some((byte) => byte !== 0) &&
    readFileSync(path).readUInt8(4184 + 28) === 1
  );
}

test("what a crash left is repairable, exit 1", async (t) => {
  const directory = await makeStore(t);
  truncateSync(join(directory, "wal", "TAIL"), 10);
  writeFileSync(join(directory, "heads", "000099.heads.tmp"), "half");
  const { code, value } = await jsonOf<{ verdict: string; findings: { code: string }[] }>(
    "verify",
    directory,
  );
  assert.deepEqual(
    [code, value.verdict, value.findings.map((finding) => finding.code)],
    [1, "repairable", ["LEFTOVER", "TAIL"]],
  );
  const store = await openStore(directory, OPTIONS);
  await store.close();
  assert.equal((await invoke("verify", directory, "--deep")).code, 0);
});

test("bad arguments are one line and exit 64, no store is exit 66", async (t) => {
  const directory = await temporaryDirectory(t);
  const wrong = [
    ["info"],
    ["info", "a", "b"],
    ["ls", "a", "--limit", "x"],
    ["show", "a"],
    ["show", "a", "b", "--full", "--meta"],
    ["show", "a", "b", "--full", "--limit", "1"],
    ["show", "a", "b", "--meta", "--leaf", "n1"],
    ["show", "a", "b", "--limit", "0"],
    ["log", "a", "--type", "x"],
    ["log", "a", "--from", "1", "--from", "2"],
    ["verify", "--fast", "a"],
    ["repair", "a"],
    ["repair", "a", "--into", "b", "--dry-run"],
  ];
  for (const [name = "", ...args] of wrong) {
    const { code, stdout, stderr } = await invoke(name, ...args);
    assert.deepEqual([code, stdout], [64, ""], `${name} ${args.join(" ")}: ${stderr}`);
    assert.match(stderr, /^varve: .+\n$/);
  }
  for (const name of ["info", "ls", "log", "verify"]) {
    const { code, stdout, stderr } = await invoke(name, directory);
    assert.deepEqual([code, stdout], [66, ""], `${name}: ${stderr}`);
  }
  const [usage, input] = await Promise.all([run(t, "ls", "--what", directory), run(t, "ls", directory)]);
  assert.deepEqual([usage.code, input.code], [64, 66]);
  for (const { stdout, stderr } of [usage, input]) {
    assert.equal(stdout, "");
    assert.match(stderr, /^varve: .+\n$/);
  }
});

test("help of every command names its options and its exit codes", async () => {
  for (const name of ["info", "ls", "show", "log", "verify", "repair"]) {
    const help = (await findCommand(name))?.help ?? "";
    assert.match(help, new RegExp(`^varve ${name} DIR`));
    assert.match(help, /--json[\s\S]*Exit codes: 0 /);
    assert.ok(
      help.split("\n").every((line) => line.length <= 90),
      name,
    );
  }
});

test("a reader that goes away ends a listing without a complaint", async (t) => {
  const directory = await makeStore(t);
  const { child, finished } = start(t, "log", directory);
  child.stdout?.destroy();
  const { code, stderr } = await finished;
  assert.deepEqual([code, stderr], [0, ""]);
  // And in a shell, where `head` closes the pipe while it is being written to.
  const shell = spawn(
    "sh",
    ["-c", `"$0" --import tsx "$1" log "$2" | head -1`, process.execPath, "src/cli/main.ts", directory],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  shell.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  await new Promise((resolve) => shell.on("close", resolve));
  assert.equal(said, "");
});
