/**
 * The door `varve/opentelemetry`: a store's stats as metrics and its events as spans, through the `Meter` and the
 * `Tracer` of `@opentelemetry/api` that the host gives. It deliberately imports no package and holds no state:
 * whoever does not call it pays nothing, and the host's version of the API decides what becomes of it.
 *
 * 1. The stats are read when the meter collects, once for all metrics, and never else.
 * 2. A span is made when its event is told, with the times that the event had.
 */
import type { Store, StoreEvent, StoreStats } from "./contract.ts";

export interface Attributes {
  [key: string]: string | number | boolean;
}

/** What is used of `Meter` of `@opentelemetry/api` 1.3 and later. */
export interface MeterLike {
  createObservableGauge(name: string, options: InstrumentOptions): object;
  createObservableCounter(name: string, options: InstrumentOptions): object;
  addBatchObservableCallback(callback: (result: BatchResultLike) => void, observables: object[]): void;
  removeBatchObservableCallback(callback: (result: BatchResultLike) => void, observables: object[]): void;
}
export interface InstrumentOptions {
  description: string;
  unit: string;
}
export interface BatchResultLike {
  observe(instrument: object, value: number, attributes?: Attributes): void;
}

/** What is used of `Tracer` of `@opentelemetry/api`. */
export interface TracerLike {
  startSpan(name: string, options: { startTime: number; attributes: Attributes }): SpanLike;
}
export interface SpanLike {
  setStatus(status: { code: number; message?: string }): unknown;
  end(endTime: number): void;
}

/** `SpanStatusCode.ERROR`. */
const ERROR = 2;

interface Metric {
  readonly name: string;
  readonly kind: "gauge" | "counter";
  readonly unit: string;
  readonly description: string;
  readonly value: (stats: StoreStats) => number;
}

function gauge(
  name: string,
  unit: string,
  description: string,
  value: (stats: StoreStats) => number,
): Metric {
  return { name: `varve.${name}`, kind: "gauge", unit, description, value };
}
function counter(
  name: string,
  unit: string,
  description: string,
  value: (stats: StoreStats) => number,
): Metric {
  return { name: `varve.${name}`, kind: "counter", unit, description, value };
}

/** Every metric, in the order of docs/events.md, which is tested against it. */
export const METRICS: readonly Metric[] = [
  gauge("open", "1", "1 while the store accepts commits, else 0", ({ state }) => (state === "open" ? 1 : 0)),
  gauge("sessions.resident", "{session}", "sessions in memory", (stats) => stats.residentSessions),
  gauge("memory.resident", "By", "bytes of sessions and of the log's index", (stats) => stats.residentBytes),
  counter("commits", "{commit}", "accepted commits", (stats) => stats.commits),
  counter("log.frames", "{frame}", "frames appended to the log", ({ log }) => log.frames),
  counter("log.written", "By", "bytes of them", ({ log }) => log.bytes),
  counter("log.batches", "{batch}", "batches written", ({ log }) => log.batches),
  counter("log.syncs", "{sync}", "syncs of the log", ({ log }) => log.syncs),
  gauge("log.queue.size", "By", "bytes that wait for the log", ({ log }) => log.queuedBytes),
  gauge("log.queue.frames", "{frame}", "frames that are not durable yet", ({ log }) => log.queuedFrames),
  gauge("log.unfolded", "By", "log beyond the newest snapshot", ({ log }) => log.unfoldedBytes),
  gauge("log.size", "By", "files of the log", ({ log }) => log.fileBytes),
  gauge("heads.size", "By", "files of heads", ({ snapshot }) => snapshot.headsBytes),
  gauge("packs.size", "By", "files of blobs and pages", ({ snapshot }) => snapshot.packBytes),
  gauge(
    "packs.dead",
    "By",
    "bytes of them that nothing reaches, estimated",
    ({ snapshot }) => snapshot.deadBytes,
  ),
  counter("snapshots", "{snapshot}", "snapshots published", ({ snapshot }) => snapshot.count),
  counter("snapshots.failed", "{snapshot}", "snapshots that failed", ({ snapshot }) => snapshot.failed),
  counter("gc.runs", "{run}", "collections that ended well", ({ gc }) => gc.count),
  counter("gc.failed", "{run}", "collections that failed", ({ gc }) => gc.failed),
  counter("gc.freed", "By", "bytes that collections freed", ({ gc }) => gc.freedBytes),
];

/** Shows the store's stats as metrics until the function it answers is called; call that when the store is closed. */
export function observeStore(
  store: Pick<Store, "stats">,
  { meter, attributes = {} }: { meter: MeterLike; attributes?: Attributes },
): () => void {
  const observed = METRICS.map((metric) => {
    const { name, kind, unit, description } = metric;
    const options = { unit, description };
    const instrument =
      kind === "gauge"
        ? meter.createObservableGauge(name, options)
        : meter.createObservableCounter(name, options);
    return { metric, instrument };
  });
  const instruments = observed.map(({ instrument }) => instrument);
  const collect = (result: BatchResultLike) => {
    const stats = store.stats();
    for (const { metric, instrument } of observed)
      result.observe(instrument, metric.value(stats), attributes);
  };
  meter.addBatchObservableCallback(collect, instruments);
  return () => meter.removeBatchObservableCallback(collect, instruments);
}

/** A listener for `onEvent` that makes a span of each event that took time or tells of a failure. */
export function traceEvents({
  tracer,
  attributes = {},
  wall = Date.now,
}: {
  tracer: TracerLike;
  attributes?: Attributes;
  /** Milliseconds since the Unix epoch. */
  wall?: () => number;
}): (event: StoreEvent) => void {
  return (event) => {
    const told = detailsOf(event);
    if (told === undefined) return;
    const end = wall();
    const { durationMs = 0, error, details } = told;
    const span = tracer.startSpan(`varve.${event.type}`, {
      startTime: end - durationMs,
      attributes: { ...attributes, ...details },
    });
    if (error !== undefined) span.setStatus({ code: ERROR, message: error.message });
    span.end(end);
  };
}

interface Told {
  readonly durationMs?: number;
  readonly error?: Error;
  readonly details: Attributes;
}

/** Undefined for events that neither took time nor failed. */
function detailsOf(event: StoreEvent): Told | undefined {
  switch (event.type) {
    case "opened":
      return { durationMs: event.durationMs, details: { "varve.directory": event.directory } };
    case "snapshot": {
      const { durationMs, reason, sessions, foldedBytes } = event;
      const details = {
        "varve.reason": reason,
        "varve.sessions": sessions,
        "varve.folded_bytes": foldedBytes,
      };
      return { durationMs, details };
    }
    case "gc": {
      const { durationMs, reason, freedBytes, report } = event;
      const details = {
        "varve.reason": reason,
        "varve.freed_bytes": freedBytes,
        "varve.deleted_blobs": report.deletedBlobCount,
      };
      return { durationMs, details };
    }
    case "slowSync":
    case "closed":
      return { durationMs: event.durationMs, details: {} };
    case "snapshotFailed":
    case "gcFailed":
    case "poisoned":
      return { error: event.error, details: { "error.type": event.error.code } };
    default:
      return undefined;
  }
}
