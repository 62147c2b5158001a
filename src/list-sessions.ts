/** `listSessions` for the store and the read-only view: checks its options and pages through the listing. */
import { throwIfAborted } from "./actors/ask.ts";
import { decodeCursor, listEntries } from "./actors/listing.ts";
import type { Source } from "./actors/source.ts";
import type { Clock } from "./clock.ts";
import type { ListOptions } from "./contract.ts";
import { storeError } from "./errors.ts";
import type { SessionState } from "./session/state.ts";
import type { SessionPickerInfo } from "./session/types.ts";

export interface Listable {
  readonly source: () => Source;
  /** Visible state of a session in memory. */
  readonly resident: (sessionId: string) => SessionState | undefined;
  /** Throws when the store may not be read. */
  readonly check: () => void;
  readonly clock: Clock;
}

/** Entries shown between two turns of the event loop. */
const ENTRIES_PER_TURN = 64;

export async function* listSessionsOf(
  store: Listable,
  options: ListOptions = {},
): AsyncGenerator<SessionPickerInfo> {
  store.check();
  const { limit, after, includeChildren, signal } = checkOptions(options);
  let shown = 0;
  if (shown >= limit) return;
  for (const info of listEntries(store.source(), store.resident, { after, includeChildren })) {
    throwIfAborted(signal);
    yield info;
    shown++;
    if (shown >= limit) return;
    if (shown % ENTRIES_PER_TURN === 0)
      await new Promise<void>((resolve) => store.clock.turn("listing", resolve));
    store.check();
  }
}

function checkOptions(options: ListOptions) {
  const { after, limit, includeChildren, signal } = options;
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 0)) {
    throw storeError(
      "INVALID_ARGUMENT",
      { argument: "limit" },
      `limit must be a whole number from 0, not ${String(limit)}`,
    );
  }
  if (includeChildren !== undefined && typeof includeChildren !== "boolean") {
    throw storeError(
      "INVALID_ARGUMENT",
      { argument: "includeChildren" },
      "includeChildren must be true or false",
    );
  }
  return {
    limit: limit ?? Number.POSITIVE_INFINITY,
    after: after === undefined ? undefined : decodeCursor(after),
    includeChildren: includeChildren ?? false,
    signal,
  };
}
