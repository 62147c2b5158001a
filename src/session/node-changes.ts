/**
 * What the records behind a snapshot did to a session's nodes, known without the nodes before them: enough to follow
 * a path where most of a long session stays unread. It deliberately gives up at a replacement, which names nodes by
 * their places.
 *
 * 1. With the nodes before, it answers what the state answers that `apply` makes of the same records.
 */
import type { NodeFact, SessionRecord } from "./record.ts";

/** `before`: as before the records. */
export type NodeChange = NodeFact | "hidden" | "before";

export class NodeChanges {
  readonly #added = new Map<string, NodeFact>();
  readonly #hidden = new Set<string>();
  #isKnown = true;

  /** False: a record replaced nodes by their places, and nothing said here counts. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  apply(record: SessionRecord): void {
    if (record.kind === "tombstone") for (const id of record.nodeIds) this.#hidden.add(id);
    // A vacuum removes what is hidden already; only then does an id come again.
    if (record.kind !== "commit") return;
    const { graph } = record;
    if (graph.kind === "replace") this.#isKnown = false;
    if (graph.kind !== "append") return;
    for (const node of graph.nodes) {
      this.#hidden.delete(node.id);
      this.#added.set(node.id, node);
    }
  }

  of(nodeId: string): NodeChange {
    if (this.#hidden.has(nodeId)) return "hidden";
    return this.#added.get(nodeId) ?? "before";
  }
}
