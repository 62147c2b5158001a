/** What a soak did, counted from its history. One that never does something proves nothing about it. */
import type { HistoryEvent } from "../../src/testing/history/events.ts";

/** What every soak must show, a short one too. */
const EXPECTED = [
  "closed",
  "killed",
  "commit",
  "replaceFull",
  "replayed",
  "tombstone",
  "vacuum",
  "delete",
  "saveMeta",
  "load",
  "loadNode",
  "loadMeta",
  "loadHeadMeta",
  "iterate",
  "list",
  "snapshot",
  "gc",
  "view",
  "secondOpen",
  "HEAD_REVISION_CONFLICT",
  "SESSION_DELETED",
  "INVALID_GRAPH",
  "STORE_LOCKED",
] as const;
/** Deleted ids that are remembered. */
const DELETED_IDS = 24;

export class Tally {
  readonly #counts = new Map<string, number>();
  readonly deletedIds: string[] = [];

  lived(how: "closed" | "killed"): void {
    this.#add(how);
  }

  take(event: HistoryEvent): void {
    if (event.type === "invoked") {
      const { call, sessionId } = event;
      this.#add(call.kind);
      if (call.kind === "commit") this.#add(call.graph);
      if (call.kind === "delete") {
        this.deletedIds.push(sessionId);
        if (this.deletedIds.length > DELETED_IDS) this.deletedIds.shift();
      }
    } else if (event.type === "answered") {
      const { answer } = event;
      if (!answer.ok) this.#add(answer.code);
      else if (answer.value.kind === "commit" && answer.value.commit.replayed) this.#add("replayed");
    }
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  missing(): string[] {
    return EXPECTED.filter((what) => this.of(what) === 0);
  }

  toString(): string {
    return [...this.#counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `${what} ${count}`)
      .join(", ");
  }

  #add(what: string): void {
    this.#counts.set(what, this.of(what) + 1);
  }
}
