/**
 * What one session sends, step by step: the host's part of the replay. A step is one commit and the calls
 * that follow it. It talks to no store; `play.ts` sends the steps, `model.ts` says what they amount to.
 *
 * 1. Step `k` makes revision `k` and is the same in every run: a revision found in a store says exactly
 *    which steps were sent.
 * 2. Nothing is ever attached to an abandoned copy of a turn: it may be tombstoned.
 * 3. The calls behind a step may be made again: they change nothing the second time.
 */
import type {
  GraphCommitDelta,
  PersistedSessionConfig,
  PersistedTurnState,
  SessionMeta,
  SessionNodeRecord,
  TokenLedgerEntry,
} from "../../session/types.ts";
import { type ComponentChanges, Components } from "./components.ts";
import { nodeFromEntry } from "./mapping.ts";
import { hash32, oneIn } from "./random.ts";
import { rewriteHistory } from "./rewrite.ts";
import type { Source, SourceEntry, Turn } from "./source.ts";
import { type CommitGroup, groupTurn } from "./turn.ts";
import { TurnUsage } from "./usage.ts";

/** A call that follows a commit and does not move the revision. */
export type AfterAction =
  | { readonly kind: "meta"; readonly meta: SessionMeta }
  | { readonly kind: "tombstone"; readonly nodeIds: readonly string[] }
  | { readonly kind: "vacuum" };

export interface Step {
  readonly revision: number;
  readonly operationId: string;
  readonly role: CommitGroup["role"] | "rewrite";
  readonly config: PersistedSessionConfig;
  readonly graph: GraphCommitDelta;
  readonly turnState: PersistedTurnState;
  readonly components: ComponentChanges;
  readonly usage: readonly TokenLedgerEntry[];
  readonly after: readonly AfterAction[];
  /** Sent a second time: not at all, when the answer is there, or while the first is still in flight. */
  readonly retry: "no" | "afterwards" | "inFlight";
  /** The first node of this step leaves the path it could have followed. */
  readonly branches: boolean;
  /** The input ends with this step. */
  readonly endsLap: boolean;
}

/** Turns between two events of a kind, on average. */
const REDO_EVERY = 12;
const REWRITE_EVERY = 40;
/** Steps between two retries of a kind, on average. */
const RETRY_EVERY = 32;
/** Turns an abandoned copy stays visible. */
const TOMBSTONE_AFTER = 2;
/** Tombstone calls between two vacuums. */
const VACUUM_EVERY = 3;
/** The turn after which the session gets a name of its own. */
const NAMED_AFTER = 3;
/** Every eighth session is a child of the one before it. */
const CHILD_EVERY = 8;

export function sessionId(session: number): string {
  return `replay-${String(session).padStart(4, "0")}`;
}

interface Abandoned {
  readonly nodeIds: readonly string[];
  readonly dueTurn: number;
}

type Draft = Pick<Step, "role" | "graph" | "components" | "usage" | "after" | "branches" | "endsLap">;

export class SessionScript {
  readonly #source: Source;
  readonly #session: number;
  readonly #title: string;
  readonly #components: Components;
  readonly #usage = new TurnUsage();
  /** Live nodes in insertion order. */
  #nodes = new Map<string, SessionNodeRecord>();
  /** The newest node made of an entry of this lap, by the entry's key; generated turns never name one. */
  readonly #newest = new Map<string, string>();
  #queue: Step[] = [];
  #tip: string | undefined;
  #revision = 0;
  #turn = 0;
  /** Turns played, redone ones counted again. */
  #played = 0;
  #redo: { readonly turn: Turn; readonly tip: string | undefined } | undefined;
  #abandoned: Abandoned[] = [];
  #tombstones = 0;
  #config: PersistedSessionConfig;

  constructor(source: Source, session: number) {
    this.#source = source;
    this.#session = session;
    this.#title = source.title(session);
    this.#components = new Components(this.#title, session);
    const facts = source.facts(session);
    this.#config = {
      providerId: facts.provider,
      configuredModel: facts.model,
      contextWindow: 200_000,
      executionMode: "standard",
      standardContextApproach: { kind: "rolling_history" },
    };
  }

  /** The record saved before the first step; its name says what the session was made of. */
  meta(topic?: string): SessionMeta {
    const { cwd, createdAt, model } = this.#source.facts(this.#session);
    const name = `${this.#title} #${this.#session}`;
    return {
      sessionId: sessionId(this.#session),
      sessionName: topic === undefined ? name : `${name}: ${topic}`,
      createdAt,
      model,
      ...(cwd === "" ? {} : { cwd }),
      ...(this.#session % CHILD_EVERY === 0 ? { parentSessionId: sessionId(this.#session - 1) } : {}),
    };
  }

  /** Whether a record found in a store was saved by this script, at whatever step. */
  isOwnMeta(meta: SessionMeta): boolean {
    const name = this.meta().sessionName;
    return meta.sessionName === name || meta.sessionName.startsWith(`${name}: `);
  }

  next(): Step {
    while (this.#queue.length === 0) this.#playTurn();
    const step = this.#queue.shift();
    if (step === undefined) throw new Error("a turn without a step");
    return step;
  }

  #playTurn(): void {
    const redo = this.#redo;
    this.#redo = undefined;
    const turn = redo?.turn ?? this.#source.turn(this.#session, this.#turn);
    const tipBefore = redo === undefined ? this.#tip : redo.tip;
    this.#played += 1;
    const made: string[] = [];
    const groups = groupTurn(turn.entries);
    const willRedo = redo === undefined && turn.entries.length > 1 && this.#happens(REDO_EVERY, "redo");
    this.#tip = tipBefore;
    groups.forEach((group, index) => {
      const isLast = index === groups.length - 1;
      const endsLap = isLast && turn.endsLap && !willRedo;
      const nodes = this.#makeNodes(group.entries, redo === undefined ? "" : "~1");
      made.push(...nodes.map((node) => node.nodeId));
      const branches = index === 0 ? redo !== undefined || nodes[0]?.parentNodeId !== tipBefore : false;
      this.#push({ role: group.role, endsLap, branches, ...this.#fill(group, nodes) });
    });
    if (willRedo) {
      this.#redo = { turn, tip: tipBefore };
      this.#abandoned.push({ nodeIds: made, dueTurn: this.#played + 1 + TOMBSTONE_AFTER });
      return;
    }
    this.#turn += 1;
    if (turn.endsLap) this.#newest.clear();
    else if (this.#happens(REWRITE_EVERY, "rewrite")) this.#rewrite();
  }

  #fill(
    group: CommitGroup,
    nodes: SessionNodeRecord[],
  ): Pick<Step, "graph" | "components" | "usage" | "after"> {
    const leaf = this.#tip === undefined ? {} : { leafNodeId: this.#tip };
    const isFinal = group.role === "final";
    return {
      graph: nodes.length === 0 ? { kind: "unchanged", ...leaf } : { kind: "append", nodes, ...leaf },
      components: this.#componentChanges(isFinal),
      usage: isFinal ? this.#usage.take() : [],
      after: isFinal ? this.#afterTurn() : [],
    };
  }

  #componentChanges(isFinal: boolean): ComponentChanges {
    if (this.#revision === 0) return this.#components.first();
    return isFinal ? this.#components.endOfTurn(this.#played) : this.#components.carried();
  }

  #makeNodes(entries: readonly SourceEntry[], suffix: string): SessionNodeRecord[] {
    return entries.map((entry) => {
      const nodeId = `${entry.key}${suffix}`;
      const node = nodeFromEntry(entry.type, entry.raw, { nodeId, parentNodeId: this.#parentOf(entry) });
      this.#config = this.#usage.observe(entry, this.#config);
      this.#nodes.set(nodeId, node);
      if (this.#source.kind === "transcripts") this.#newest.set(entry.key, nodeId);
      this.#tip = nodeId;
      return node;
    });
  }

  /** A parent that a rewrite has dropped is replaced by the newest node. */
  #parentOf(entry: SourceEntry): string | undefined {
    if (entry.parentKey === null) return undefined;
    if (entry.parentKey === undefined) return this.#tip;
    const parent = this.#newest.get(entry.parentKey);
    return parent !== undefined && this.#nodes.has(parent) ? parent : this.#tip;
  }

  /** A name once, and the abandoned copies whose time has come; after every third also a vacuum. */
  #afterTurn(): AfterAction[] {
    const after: AfterAction[] = [];
    if (this.#played === NAMED_AFTER) after.push({ kind: "meta", meta: this.meta(`turn ${this.#turn + 1}`) });
    const due = this.#abandoned.filter((copy) => copy.dueTurn <= this.#played);
    this.#abandoned = this.#abandoned.filter((copy) => copy.dueTurn > this.#played);
    for (const { nodeIds } of due) {
      for (const nodeId of nodeIds) this.#nodes.delete(nodeId);
      after.push({ kind: "tombstone", nodeIds });
      this.#tombstones += 1;
      if (this.#tombstones % VACUUM_EVERY === 0) after.push({ kind: "vacuum" });
    }
    return after;
  }

  /** The host tidies its history: one commit replaces the whole graph. */
  #rewrite(): void {
    const dropped = new Set(this.#abandoned.flatMap((copy) => copy.nodeIds));
    this.#abandoned = [];
    const nodes = rewriteHistory([...this.#nodes.values()].filter((node) => !dropped.has(node.nodeId)));
    this.#nodes = new Map(nodes.map((node) => [node.nodeId, node]));
    const leaf = this.#tip === undefined ? {} : { leafNodeId: this.#tip };
    this.#push({
      role: "rewrite",
      graph: { kind: "replaceFull", graph: { nodes, ...leaf } },
      components: this.#components.carried(),
      usage: [],
      after: [],
      branches: false,
      endsLap: false,
    });
  }

  #push(draft: Draft): void {
    this.#revision += 1;
    this.#queue.push({
      ...draft,
      revision: this.#revision,
      operationId: `${sessionId(this.#session)}/${this.#revision}`,
      config: this.#config,
      turnState: this.#usage.turnState(this.#played, this.#config.modelVariant),
      retry: this.#retry(),
    });
  }

  #retry(): Step["retry"] {
    const drawn = hash32("retry", this.#title, this.#session, this.#revision) % RETRY_EVERY;
    return drawn === 0 ? "afterwards" : drawn === 1 ? "inFlight" : "no";
  }

  #happens(every: number, what: string): boolean {
    return oneIn(every, what, this.#title, this.#session, this.#turn);
  }
}
