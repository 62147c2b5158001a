/** Events of a history in a line each, for people who read a trace. Nothing in it differs between equal runs. */
import type { Call, HistoryEvent, Value, Violation } from "./events.ts";

export function describeEvent(event: HistoryEvent): string {
  switch (event.type) {
    case "opened":
      return `opened with sync ${event.facts.sync}`;
    case "ended":
      return `ended: ${event.how}`;
    case "log":
      return `log at LSN ${event.lastLsn}, durable ${event.durableLsn}`;
    case "invoked":
      return `#${event.id} ${event.sessionId} ${describeCall(event.call)}`;
    case "answered": {
      const { answer } = event;
      // Messages may name what differs from run to run, e.g. the process that has the lock.
      return `#${event.id} -> ${answer.ok ? describeValue(answer.value) : answer.code}`;
    }
  }
}

export function describeViolation({ rule, sessionId, message }: Violation): string {
  const where = sessionId === undefined ? "" : ` session ${JSON.stringify(sessionId)}:`;
  return `broken: ${rule};${where} ${message}`;
}

function describeCall(call: Call): string {
  if (call.kind !== "commit") return JSON.stringify(call);
  const { graph, nodes, leaf, expected, operationId, components } = call;
  const added = nodes.map(({ id, parent }) => `${id}<${parent ?? ""}`).join(" ");
  const sent = Object.entries(components).map(
    ([name, { ref, value }]) => `${name} ${value === undefined ? "carried " : ""}${ref.slice(0, 8)}`,
  );
  const operation = operationId === undefined ? "" : ` ${operationId}`;
  return `commit${operation} at ${expected ?? "any"}: ${graph} [${added}] leaf ${leaf}; ${sent.join(", ")}`;
}

function describeValue(value: Value): string {
  switch (value.kind) {
    case "commit":
      return `revision ${value.commit.revision}${value.commit.replayed ? " replayed" : ""} ${value.commit.checkpointRef.slice(0, 8)}`;
    case "session": {
      const { session } = value;
      if (session === undefined) return "no head";
      const ids = session.nodes.map(({ id }) => id).join(" ");
      return `revision ${session.revision} leaf ${session.leaf} [${ids}]`;
    }
    case "entries":
      return value.entries.map(({ sessionId, revision }) => `${sessionId}@${revision}`).join(" ");
    default:
      return JSON.stringify(value);
  }
}
