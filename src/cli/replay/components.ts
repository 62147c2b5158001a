/**
 * The checkpoint components a session sends: what changes at the end of which turn, and to which value. A
 * pure function of the session's title, its number and the turn. The cadence is a host's: tools change
 * rarely and are the same in many sessions, plugins now and then, an interpreter's state with every turn
 * that used it.
 */
import type { Json, PluginSessionSnapshot, ToolState } from "../../session/types.ts";
import { hash32, oneIn, Random } from "./random.ts";
import { sliceBytes, slicer } from "./words.ts";

/** What happens to a component: sent as a value, carried by its ref, or absent. */
export type Change<Value> =
  | { readonly kind: "send"; readonly value: Value }
  | { readonly kind: "carry" }
  | { readonly kind: "none" };

export interface ComponentChanges {
  readonly toolState: Change<ToolState>;
  readonly pluginSnapshot: Change<PluginSessionSnapshot>;
  readonly pluginSnapshotRevision: bigint | undefined;
  readonly executionState: Change<Uint8Array>;
}

/** Turns between changes, on average. */
const TOOLS_EVERY = 12;
const PLUGINS_EVERY = 4;
const EXECUTION_EVERY = 2;
/** An interpreter is thrown away this often. */
const RESET_EVERY = 40;
/** Every second session runs code. */
const EXECUTION_SESSIONS = 2;
/** An interpreter's state grows with the turns since its last reset, bytes. */
const EXECUTION_FIRST = 1_024;
const EXECUTION_GROWTH = 1_536;
const EXECUTION_LARGEST = 64 * 1_024;
/** Sets of tools in use: sessions of the same generation share one blob. */
const TOOL_SETS = 8;
const TOOL_NAMES = [
  "read",
  "bash",
  "edit",
  "write",
  "grep",
  "find",
  "fetch",
  "plan",
  "ask",
  "browse",
] as const;

/** Tracks what a session has, and answers the changes of each commit. */
export class Components {
  readonly #title: string;
  readonly #session: number;
  #generation = 1;
  #pluginRevision: bigint | undefined;
  #hasExecution = false;
  #turnsSinceReset = 0;

  constructor(title: string, session: number) {
    this.#title = title;
    this.#session = session;
  }

  /** The session's first commit: tools and plugins as the host starts them. */
  first(): ComponentChanges {
    return { ...this.carried(), toolState: this.#tools(), ...this.#plugins(0) };
  }

  /** A commit inside a turn: everything is carried. */
  carried(): ComponentChanges {
    return {
      toolState: { kind: "carry" },
      pluginSnapshot: { kind: "carry" },
      pluginSnapshotRevision: this.#pluginRevision,
      executionState: { kind: this.#hasExecution ? "carry" : "none" },
    };
  }

  /** The last commit of turn `turn` (from 1). */
  endOfTurn(turn: number): ComponentChanges {
    const due = (every: number, what: string) => oneIn(every, what, this.#title, this.#session, turn);
    const executionState = this.#execution(turn, due);
    let changes: ComponentChanges = { ...this.carried(), executionState };
    if (due(TOOLS_EVERY, "tools")) {
      this.#generation += 1;
      changes = { ...changes, toolState: this.#tools() };
    }
    return due(PLUGINS_EVERY, "plugins") ? { ...changes, ...this.#plugins(turn) } : changes;
  }

  #execution(turn: number, due: (every: number, what: string) => boolean): Change<Uint8Array> {
    if (this.#session % EXECUTION_SESSIONS !== 0) return { kind: "none" };
    this.#turnsSinceReset += 1;
    if (this.#hasExecution && due(RESET_EVERY, "reset")) {
      this.#hasExecution = false;
      this.#turnsSinceReset = 0;
      return { kind: "none" };
    }
    if (!due(EXECUTION_EVERY, "execution")) return { kind: this.#hasExecution ? "carry" : "none" };
    this.#hasExecution = true;
    const size = Math.min(EXECUTION_FIRST + this.#turnsSinceReset * EXECUTION_GROWTH, EXECUTION_LARGEST);
    const random = new Random(hash32("execution", this.#title, this.#session, turn));
    return { kind: "send", value: sliceBytes(random, size) };
  }

  #tools(): Change<ToolState> {
    const set = this.#generation % TOOL_SETS;
    const random = new Random(hash32("tools", set));
    const text = slicer(random);
    const tools: ToolState["tools"] = {};
    for (const name of TOOL_NAMES.slice(0, 6 + (set % 5))) {
      const properties: { [name: string]: Json } = { path: { type: "string", description: text(60) } };
      for (let more = random.integer(0, 3); more > 0; more--) {
        properties[`option${more}`] = { type: "string", description: text(random.integer(20, 120)) };
      }
      const manifest = {
        name,
        description: text(random.integer(80, 900)),
        input: { type: "object", properties },
      };
      tools[name] = { manifest, sourceId: name === "browse" ? "mcp:browser" : "builtin" };
    }
    return { kind: "send", value: { generation: this.#generation, tools } };
  }

  #plugins(turn: number): Pick<ComponentChanges, "pluginSnapshot" | "pluginSnapshotRevision"> {
    const random = new Random(hash32("plugins", this.#title, this.#session, turn));
    const text = slicer(random);
    const todo = Array.from({ length: random.integer(1, 12) }, (_, index) => ({
      id: BigInt(turn) * 1_000n + BigInt(index),
      text: text(random.integer(10, 120)),
      done: random.chance(0.5),
    }));
    const plugins = { todo: { items: todo }, memory: { notes: text(random.integer(100, 3_000)), turn } };
    const high = BigInt(hash32("revision", this.#title, this.#session, turn));
    this.#pluginRevision = (high << 32n) | BigInt(hash32("revision low", this.#session, turn));
    return {
      pluginSnapshot: { kind: "send", value: { plugins } },
      pluginSnapshotRevision: this.#pluginRevision,
    };
  }
}
