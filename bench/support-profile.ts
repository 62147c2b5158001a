/**
 * A sampling profile of the main thread that can be asked what ran between two moments. It deliberately knows
 * no turns: it counts samples.
 */
import { type Profiler, Session } from "node:inspector/promises";

/** Microseconds between two samples. */
const INTERVAL_US = 200;
/** Stacks that are named for a span, and frames of each. */
const MAX_STACKS = 8;
const MAX_FRAMES = 7;

/** Lines naming what ran between two moments of `performance.now()`, most samples first. */
export type During = (from: number, to: number) => string[];

/** Starts a profile; the answer ends it. */
export async function profileMain(): Promise<() => Promise<During>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
  await session.post("Profiler.start");
  // The profile counts microseconds of the same monotonic clock from another origin.
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return async () => {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    return (from, to) => stacksBetween(profile, (from + offsetMs) * 1000, (to + offsetMs) * 1000);
  };
}

function stacksBetween(profile: Profiler.Profile, from: number, to: number): string[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id])),
  );
  const nameOf = (id: number | undefined): string => {
    const frames: string[] = [];
    for (let at = id; at !== undefined && frames.length < MAX_FRAMES; at = parents.get(at)) {
      const frame = byId.get(at)?.callFrame;
      if (frame === undefined || frame.functionName === "(root)") break;
      const file = frame.url.split("/").slice(-2).join("/");
      frames.push(
        `${frame.functionName || "(anonymous)"}${file === "" ? "" : ` ${file}:${frame.lineNumber + 1}`}`,
      );
    }
    return frames.join(" < ");
  };
  const times = new Map<string, number>();
  let at = profile.startTime;
  profile.samples?.forEach((id, i) => {
    const delta = profile.timeDeltas?.[i] ?? 0;
    at += delta;
    if (at < from || at > to) return;
    const name = nameOf(id);
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas?.[i + 1] ?? 0));
  });
  const sorted = [...times].sort((a, b) => b[1] - a[1]).slice(0, MAX_STACKS);
  return sorted.map(([name, us]) => `${(us / 1000).toFixed(1).padStart(6)} ms ${name}`);
}
