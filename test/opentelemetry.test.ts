/** A store's stats as metrics, and its events as spans, by a meter and a tracer that only remember. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { storeError } from "../src/errors.ts";
import { openMemoryStore, type StoreEvent } from "../src/index.ts";
import {
  type Attributes,
  type BatchResultLike,
  METRICS,
  type MeterLike,
  observeStore,
  traceEvents,
} from "../src/opentelemetry.ts";
import { append, chain, commit } from "./support/builders.ts";

class RememberingMeter implements MeterLike {
  readonly kinds = new Map<string, string>();
  readonly #names = new Map<object, string>();
  readonly #callbacks = new Set<(result: BatchResultLike) => void>();

  createObservableGauge(name: string, options: { unit: string }): object {
    return this.#create(name, `gauge ${options.unit}`);
  }
  createObservableCounter(name: string, options: { unit: string }): object {
    return this.#create(name, `counter ${options.unit}`);
  }
  addBatchObservableCallback(callback: (result: BatchResultLike) => void): void {
    this.#callbacks.add(callback);
  }
  removeBatchObservableCallback(callback: (result: BatchResultLike) => void): void {
    this.#callbacks.delete(callback);
  }

  collect(): Map<string, { value: number; attributes: Attributes | undefined }> {
    const seen = new Map<string, { value: number; attributes: Attributes | undefined }>();
    const observe = (instrument: object, value: number, attributes?: Attributes) => {
      seen.set(this.#names.get(instrument) ?? "unknown", { value, attributes });
    };
    for (const callback of this.#callbacks) callback({ observe });
    return seen;
  }

  #create(name: string, kind: string): object {
    const instrument = {};
    this.#names.set(instrument, name);
    this.kinds.set(name, kind);
    return instrument;
  }
}

test("metrics are the stats at the moment of collection, until they are stopped", async () => {
  await using store = await openMemoryStore();
  const meter = new RememberingMeter();
  const stop = observeStore(store, { meter, attributes: { store: "one" } });
  assert.deepEqual(meter.collect().get("varve.commits"), { value: 0, attributes: { store: "one" } });
  await store.session("root").commitRuntimeState(commit({ graph: append(chain("a"), "a") }));
  await store.snapshot();
  const seen = meter.collect();
  assert.equal(seen.size, METRICS.length);
  const seenOf = (name: string) => seen.get(name)?.value;
  assert.deepEqual(
    [
      "varve.commits",
      "varve.open",
      "varve.snapshots",
      "varve.sessions.resident",
      "varve.log.queue.frames",
    ].map(seenOf),
    [1, 1, 1, 1, 0],
  );
  assert.equal(seenOf("varve.packs.size"), store.stats().snapshot.packBytes);
  assert.equal(meter.kinds.get("varve.commits"), "counter {commit}");
  assert.equal(meter.kinds.get("varve.log.size"), "gauge By");
  stop();
  assert.equal(meter.collect().size, 0);
});

test("a closed store is not open, and its metrics can still be collected", async () => {
  const store = await openMemoryStore();
  const meter = new RememberingMeter();
  observeStore(store, { meter });
  await store.close();
  assert.equal(meter.collect().get("varve.open")?.value, 0);
});

interface Span {
  readonly name: string;
  readonly start: number;
  readonly attributes: Attributes;
  status?: { code: number; message?: string };
  end?: number;
}

function remember(): { spans: Span[]; listener: (event: StoreEvent) => void } {
  const spans: Span[] = [];
  const tracer = {
    startSpan(name: string, { startTime, attributes }: { startTime: number; attributes: Attributes }) {
      const span: Span = { name, start: startTime, attributes };
      spans.push(span);
      return {
        setStatus: (status: { code: number; message?: string }) => {
          span.status = status;
        },
        end: (at: number) => {
          span.end = at;
        },
      };
    },
  };
  return { spans, listener: traceEvents({ tracer, attributes: { store: "one" }, wall: () => 5000 }) };
}

test("an event that took time is a span of that time, with its reason", () => {
  const { spans, listener } = remember();
  listener({
    type: "snapshot",
    manifest: 3,
    reason: "interval",
    sessions: 7,
    foldedBytes: 900,
    durationMs: 40,
  });
  listener({ type: "passivated", sessions: 1, bytes: 1 });
  assert.deepEqual(spans, [
    {
      name: "varve.snapshot",
      start: 4960,
      attributes: {
        store: "one",
        "varve.reason": "interval",
        "varve.sessions": 7,
        "varve.folded_bytes": 900,
      },
      end: 5000,
    },
  ]);
});

test("a failure is a span with the error's code", () => {
  const { spans, listener } = remember();
  listener({ type: "gcFailed", error: storeError("STORE_BUSY", { queuedBytes: 1 }, "given up") });
  assert.deepEqual(spans, [
    {
      name: "varve.gcFailed",
      start: 5000,
      attributes: { store: "one", "error.type": "STORE_BUSY" },
      status: { code: 2, message: "given up" },
      end: 5000,
    },
  ]);
});

test("a store's own life is told in spans, from its opening to its closing", async () => {
  const { spans, listener } = remember();
  const store = await openMemoryStore({ onEvent: listener });
  await store.session("root").commitRuntimeState(commit());
  await store.snapshot();
  await store.gc();
  await store.close();
  const names = spans.map(({ name }) => name);
  assert.deepEqual([names[0], names.at(-1)], ["varve.opened", "varve.closed"]);
  for (const name of ["varve.snapshot", "varve.gc"]) assert.ok(names.includes(name), name);
});

test("docs/events.md lists every metric", () => {
  const document = readFileSync("docs/events.md", "utf8");
  for (const { name, unit, kind } of METRICS) {
    assert.ok(document.includes(`| \`${name}\` | ${kind} | ${unit} |`), `${name} ${kind} ${unit}`);
  }
});
