/**
 * The process of a soak: opens the store, works on it, measures now and then, and closes it or kills itself. Started as
 * `host <file of the job>`; see `job.ts` for what it says on its standard output. It ends by itself when its standard
 * input ends, so that it never outlives the run.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { encodeCanonical } from "../../src/codec.ts";
import type { Store } from "../../src/contract.ts";
import { openStoreReadOnly } from "../../src/read-only.ts";
import type { PersistedSessionRead, RuntimeCommit } from "../../src/session/types.ts";
import { openStore } from "../../src/store.ts";
import { History } from "../../src/testing/history/history.ts";
import { recordSecondOpen, recordStore } from "../../src/testing/history/record-store.ts";
import { recordView } from "../../src/testing/history/record-view.ts";
import { Random } from "../../src/testing/simulation/random.ts";
import { encodeLine, type Job, type Line, type Measurement } from "./job.ts";
import { Sessions } from "./sessions.ts";
import { Writer } from "./values.ts";
import { Work } from "./work.ts";

const STANDARD_OUTPUT = 1;
const LANES = 4;
const HANDLES = "/proc/self/fd";
const LOADER_FILES = "/tsx-";

/** Milliseconds before a full pipe is tried again. */
const FULL_PIPE_MS = 1;
const waiting = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

// Not `process.stdout`: what was said could be lost in a kill.
function say(line: Line): void {
  const bytes = Buffer.from(encodeLine(line));
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(STANDARD_OUTPUT, bytes, at);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(waiting, 0, 0, FULL_PIPE_MS);
    }
  }
}

function die(): void {
  process.kill(process.pid, "SIGKILL");
}

/** Says every event, and dies beside the one it was told to. */
function sayingHistory({ death }: Job): History {
  let events = 0;
  const history: History = new History({
    now: () => Math.round(performance.now()),
    onEvent: (event) => {
      history.events.length = 0;
      say({ type: "event", event });
      if (death?.kind !== "event" || ++events !== death.number) return;
      if (death.delayMs === 0) die();
      else setTimeout(die, death.delayMs);
    },
  });
  return history;
}

async function live(job: Job): Promise<void> {
  const { directory, death, options, seed, life, operations, period, paper } = job;
  if (death?.kind === "time") setTimeout(die, death.ms);
  const history = sayingHistory(job);
  const opened = await openStore(directory, options);
  const { sync = "always", receiptsKept = 1000 } = options;
  const store = recordStore(history, opened, { sync, receiptsKept });
  const writer = new Writer(Random.stream(seed, `writer of life ${life}`), life);
  const sessions = new Sessions(paper.deletedIds, (prefix) => writer.newId(prefix));
  const sent = [...paper.sent];
  const work = new Work({
    ...{ store, writer, sessions, sent },
    tell: (commit) => say({ type: "sent", commit }),
    openView: () => recordView(history, () => openStoreReadOnly(directory)),
    openSecond: () => recordSecondOpen(history, () => openStore(directory)),
  });
  await work.readEverything();
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    Random.stream(seed, `lane ${lane} of life ${life}`),
  );
  for (let done = 0; done < operations; ) {
    const now = Math.min(period, operations - done);
    await work.run(now, lanes);
    done += now;
    say({ type: "measured", measurement: await measure(job, { store, work, sessions, sent }, done) });
  }
  await store.close();
  say({ type: "closed" });
}

/** With the store in order: what is on disk now is what a user pays for. */
async function measure(
  job: Job,
  parts: { store: Store; work: Work; sessions: Sessions; sent: readonly RuntimeCommit[] },
  operations: number,
): Promise<Measurement> {
  const { directory, life } = job;
  const { store, work, sessions, sent } = parts;
  await store.gc();
  await store.snapshot();
  await store.snapshot();
  const live = new LiveBytes();
  await work.readEverything((read) => live.add(read));
  // The work remembers what it sent, which is megabytes more or less with every large value drawn.
  const sentBytes = serialize(sent).length;
  // What a first collection finds unused may hold buffers that only a second one frees.
  for (let turn = 0; turn < 3; turn++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const { snapshot } = store.stats();
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const bytesOf = (isLog: boolean): number =>
    files
      .filter(({ parentPath }) => parentPath.endsWith("wal") === isLog)
      .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  return {
    life,
    operations,
    heapBytes: heapUsed + external - sentBytes,
    rssBytes: rss,
    diskBytes: bytesOf(false),
    headsBytes: snapshot.headsBytes,
    heads: snapshot.heads,
    liveBytes: live.bytes,
    logBytes: bytesOf(true),
    files: files.length,
    handles: openHandles().length,
    sessions: sessions.size,
  };
}

/** But for what the loader of TypeScript leaves open, some ninety files for every worker that begins anew. */
function openHandles(): string[] {
  if (!existsSync(HANDLES)) return [];
  return readdirSync(HANDLES).filter((handle) => {
    try {
      return !readlinkSync(join(HANDLES, handle)).includes(LOADER_FILES);
    } catch {
      // That of the listing itself.
      return false;
    }
  });
}

/** Nodes of every session, and each value once. */
class LiveBytes {
  readonly #values = new Set<string>();
  bytes = 0;

  add({ graph, checkpoint, checkpointRef }: PersistedSessionRead): void {
    for (const node of graph.nodes) this.bytes += encodeCanonical(node).length;
    const { toolState, pluginSnapshot, executionState, ...manifest } = checkpoint;
    this.#value(checkpointRef, manifest);
    this.#value(checkpoint.toolStateRef, toolState);
    this.#value(checkpoint.pluginSnapshotRef, pluginSnapshot);
    this.#value(checkpoint.executionStateRef, executionState);
  }

  #value(ref: string | undefined, value: unknown): void {
    if (ref === undefined || this.#values.has(ref)) return;
    this.#values.add(ref);
    this.bytes += encodeCanonical(value).length;
  }
}

process.stdin.on("end", () => process.exit(2)).on("error", () => process.exit(2));
process.stdin.resume();
// Written by the run that started this process.
live(deserialize(readFileSync(process.argv[2] ?? "")) as Job).then(
  () => process.exit(0),
  (error: unknown) => {
    say({ type: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    process.exit(1);
  },
);
