/**
 * A naive model of a session: plain arrays, everything recomputed, no sharing and no differences. It decides
 * what each operation must answer, from the contract alone.
 */
import type { StoreErrorCode } from "../../src/errors.ts";
import type { GraphPolicy, SessionNodeRecord, TokenLedgerEntry } from "../../src/session/types.ts";

export type Step =
  | {
      kind: "append" | "replaceFull";
      nodes: SessionNodeRecord[];
      leaf: string | undefined;
      expected: number | undefined;
      operationId: string | undefined;
      usage: TokenLedgerEntry[];
    }
  | { kind: "unchanged"; leaf: string | undefined }
  | { kind: "tombstone"; ids: string[] }
  | { kind: "vacuum" }
  | { kind: "meta"; name: string }
  | { kind: "delete" };

interface Stored {
  node: SessionNodeRecord;
  hidden: boolean;
}

/** The code a call must be refused with. */
export class Refused extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode) {
    super(code);
    this.code = code;
  }
}

/** Everything is recomputed from arrays at every call. */
export class Model {
  stored: Stored[] = [];
  leaf: string | undefined;
  revision = 0;
  usage: TokenLedgerEntry[] = [];
  meta: string | undefined;
  deleted = false;
  operations = new Map<string, { content: string; revision: number }>();

  run(step: Step, policy: GraphPolicy): unknown {
    if (step.kind === "delete") {
      const used = this.deleted || this.revision > 0 || this.meta !== undefined;
      if (used) Object.assign(this, new Model(), { deleted: true });
      return used;
    }
    if (this.deleted) throw new Refused("SESSION_DELETED");
    switch (step.kind) {
      case "tombstone":
        return this.tombstone(step.ids, policy);
      case "vacuum": {
        const removedNodeCount = this.stored.filter(({ hidden }) => hidden).length;
        this.stored = this.stored.filter(({ hidden }) => !hidden);
        return { removedNodeCount };
      }
      case "meta":
        this.meta = step.name;
        return undefined;
      case "unchanged":
        this.check(this.stored, [], step.leaf, policy);
        this.leaf = step.leaf;
        return ++this.revision;
      default:
        return this.commit(step, policy);
    }
  }

  commit(step: Extract<Step, { kind: "append" | "replaceFull" }>, policy: GraphPolicy): unknown {
    const { operationId, ...rest } = step;
    const content = JSON.stringify(rest);
    const known = operationId === undefined ? undefined : this.operations.get(operationId);
    if (known !== undefined) {
      if (known.content !== content) throw new Refused("OPERATION_CONFLICT");
      return known.revision;
    }
    if (step.expected !== undefined && step.expected !== this.revision)
      throw new Refused("HEAD_REVISION_CONFLICT");
    const base = step.kind === "append" ? this.stored : [];
    const ids = [...base.map(({ node }) => node.nodeId), ...step.nodes.map(({ nodeId }) => nodeId)];
    if (new Set(ids).size < ids.length) throw new Refused("NODE_ID_COLLISION");
    const after = [...base, ...step.nodes.map((node) => ({ node, hidden: false }))];
    this.check(after, step.nodes, step.leaf, policy);
    this.stored = after;
    this.leaf = step.leaf;
    this.usage.push(...step.usage);
    this.revision++;
    if (operationId !== undefined) this.operations.set(operationId, { content, revision: this.revision });
    return this.revision;
  }

  check(after: Stored[], added: SessionNodeRecord[], leaf: string | undefined, policy: GraphPolicy): void {
    const parentOf = (id: string | undefined) =>
      after.find(({ node }) => node.nodeId === id)?.node.parentNodeId;
    for (const { node } of after) {
      let at: string | undefined = node.nodeId;
      for (let i = 0; i <= after.length && at !== undefined; i++) at = parentOf(at);
      if (at !== undefined) throw new Refused("INVALID_GRAPH");
    }
    if (policy === "permissive") return;
    const live = after.filter(({ hidden }) => !hidden).map(({ node }) => node.nodeId);
    for (const id of [...added.map(({ parentNodeId }) => parentNodeId), leaf]) {
      if (id !== undefined && !live.includes(id)) throw new Refused("INVALID_GRAPH");
    }
  }

  tombstone(ids: string[], policy: GraphPolicy): void {
    const path = this.path(this.leaf).map(({ nodeId }) => nodeId);
    const named = this.live().filter(({ nodeId }) => ids.includes(nodeId));
    for (const { nodeId } of named) {
      const child = this.live().find((other) => other.parentNodeId === nodeId && !ids.includes(other.nodeId));
      if (policy === "strict" && (child !== undefined || path.includes(nodeId)))
        throw new Refused("NODE_IN_USE");
    }
    for (const each of this.stored) if (ids.includes(each.node.nodeId)) each.hidden = true;
  }

  live(): SessionNodeRecord[] {
    return this.stored.filter(({ hidden }) => !hidden).map(({ node }) => node);
  }

  path(leaf: string | undefined): SessionNodeRecord[] {
    const found = this.live().find(({ nodeId }) => nodeId === leaf);
    return found === undefined ? [] : [...this.path(found.parentNodeId), found];
  }

  ledger(): TokenLedgerEntry[] {
    const rows: TokenLedgerEntry[] = [];
    for (const { source, model, usage } of this.usage) {
      if (Object.values(usage).every((counter) => counter === 0)) continue;
      let row = rows.find((each) => each.source === source && each.model === model);
      if (row === undefined) {
        row = {
          source,
          model,
          usage: { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, reasoningTokens: 0 },
        };
        rows.push(row);
      }
      for (const key of Object.keys(usage) as (keyof typeof usage)[]) row.usage[key] += usage[key];
    }
    return rows;
  }

  picker() {
    const texts = this.live().flatMap((each) => {
      const event = each.kind === "event" ? each.event : {};
      const { role, parts } = (
        event as { conversation?: { role: string; parts: { kind: string; content: string }[] } }
      ).conversation ?? { role: "", parts: [] };
      if (role !== "User" || parts.every(({ kind }) => kind.startsWith("Tool"))) return [];
      return [parts.map(({ content }) => content).join()];
    });
    return { firstUserMessage: texts[0] ?? "", userMessageCount: texts.length };
  }
}
