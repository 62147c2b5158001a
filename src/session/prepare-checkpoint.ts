/**
 * Checks a hydrated checkpoint and encodes it: the three components as canonical values, and the manifest
 * that names them. It deliberately knows no store: whether a ref exists is decided in `plan-commit.ts`.
 *
 * A hydrated value wins over any ref the caller passes. Both are kept in `given`, because the digest of an
 * operation covers every field.
 */
import { types } from "node:util";
import { sha256Hex } from "../checksum.ts";
import { decodeValue, encodeCanonical } from "../codec.ts";
import type { BlobRef } from "../ids.ts";
import { MAX_COMPONENT_BYTES } from "../limits.ts";
import { defaultModeTurnOptions } from "./defaults.ts";
import { writeManifest } from "./manifest-writer.ts";
import { setOwn } from "./payload.ts";
import { preparePromptUsage, prepareTokenUsage } from "./prepare-config.ts";
import { below, type Fields, commitShape as shape } from "./shape.ts";
import type {
  Json,
  ModeTurnOptions,
  PersistedTurnState,
  PluginSessionSnapshot,
  SessionCheckpoint,
  ToolState,
} from "./types.ts";

export type Component = "toolState" | "pluginSnapshot" | "executionState";

/** A component that the checkpoint has. */
export interface PreparedComponent {
  readonly component: Component;
  readonly ref: BlobRef;
  /** Canonical bytes; undefined when only a ref was given, which then must exist. */
  readonly value: Uint8Array | undefined;
}

export interface PreparedCheckpoint {
  readonly components: readonly PreparedComponent[];
  /** Refs as the caller gave them, used or not; for the digest of an operation. */
  readonly givenRefs: readonly (BlobRef | null)[];
  /** Canonical bytes of the checkpoint manifest, perhaps a view of a shared slab. */
  readonly manifest: Uint8Array;
  readonly checkpointRef: BlobRef;
  readonly checkpoint: SessionCheckpoint;
}

const CHECKPOINT = [
  "turnState",
  "toolStateRef",
  "toolState",
  "pluginSnapshotRef",
  "pluginSnapshotRevision",
  "pluginSnapshot",
  "executionStateRef",
  "executionState",
];
const TURN_STATE = ["turnIndex", "tokenUsage", "lastPromptUsage", "modeTurnOptions"];
const MODE_OPTIONS = ["modeId", "payload"];
const TOOL_STATE = ["generation", "tools"];
const TOOL = ["manifest", "sourceId"];
const PLUGIN_SNAPSHOT = ["plugins"];
const MAX_REVISION = 2n ** 64n - 1n;

export function prepareCheckpoint(value: unknown): PreparedCheckpoint {
  const path = "checkpoint";
  const fields = shape.open(value, path, CHECKPOINT);
  const turnState = prepareTurnState(shape.get(fields, path, "turnState"));
  const toolState = prepareComponent(fields, "toolState", "toolStateRef");
  const pluginSnapshot = prepareComponent(fields, "pluginSnapshot", "pluginSnapshotRef");
  const executionState = prepareComponent(fields, "executionState", "executionStateRef");
  const revision = prepareRevision(fields);
  // Keys in code-point order, so that the manifest can usually be encoded without sorting.
  const checkpoint: Partial<SessionCheckpoint> = {};
  if (executionState.ref !== undefined) checkpoint.executionStateRef = executionState.ref;
  if (pluginSnapshot.ref !== undefined) checkpoint.pluginSnapshotRef = pluginSnapshot.ref;
  if (revision !== undefined) checkpoint.pluginSnapshotRevision = revision;
  if (toolState.ref !== undefined) checkpoint.toolStateRef = toolState.ref;
  checkpoint.turnState = turnState;
  const components: PreparedComponent[] = [];
  addComponent(components, toolState);
  addComponent(components, pluginSnapshot);
  addComponent(components, executionState);
  const { manifest, checkpointRef, adopted } = encodeManifest(checkpoint as SessionCheckpoint);
  return {
    components,
    givenRefs: [toolState.given, pluginSnapshot.given, executionState.given],
    manifest,
    checkpointRef,
    checkpoint: adopted,
  };
}

function addComponent(components: PreparedComponent[], { component, ref, value }: ComponentFields): void {
  if (ref !== undefined) components.push({ component, ref, value });
}

interface EncodedManifest {
  readonly manifest: Uint8Array;
  readonly checkpointRef: BlobRef;
  /** The manifest as a value that holds nothing of the caller's. */
  readonly adopted: SessionCheckpoint;
}

/** Encodes a manifest. */
function encodeManifest(checkpoint: SessionCheckpoint): EncodedManifest {
  const { modeId, payload } = checkpoint.turnState.modeTurnOptions;
  const isSorted = isEmptyMap(payload) && modeId.isWellFormed();
  const manifest = isSorted ? writeManifest(checkpoint) : encodeCanonical(checkpoint);
  return {
    manifest,
    checkpointRef: sha256Hex(manifest) as BlobRef,
    adopted: isSorted ? checkpoint : (decodeValue(manifest) as SessionCheckpoint),
  };
}

function prepareTurnState(value: unknown): PersistedTurnState {
  const path = "checkpoint.turnState";
  const fields = shape.open(value, path, TURN_STATE);
  const prompt = shape.get(fields, path, "lastPromptUsage");
  const turnState: Partial<PersistedTurnState> = {};
  if (prompt !== undefined) {
    turnState.lastPromptUsage = preparePromptUsage(prompt, "checkpoint.turnState.lastPromptUsage");
  }
  turnState.modeTurnOptions = prepareModeOptions(shape.get(fields, path, "modeTurnOptions"));
  const usage = shape.get(fields, path, "tokenUsage");
  turnState.tokenUsage = prepareTokenUsage(usage, "checkpoint.turnState.tokenUsage");
  turnState.turnIndex = shape.counter(fields, path, "turnIndex");
  return turnState as PersistedTurnState;
}

function prepareModeOptions(value: unknown): ModeTurnOptions {
  const path = "checkpoint.turnState.modeTurnOptions";
  if (value === undefined) return defaultModeTurnOptions();
  const fields = shape.open(value, path, MODE_OPTIONS);
  const modeId = shape.text(fields, path, "modeId");
  const payload = shape.get(fields, path, "payload");
  if (payload === undefined || isEmptyPlain(payload)) return { modeId, payload: {} };
  return { modeId, payload: shape.snapshot(payload, below(path, "payload")) as Json };
}

function prepareRevision(fields: Fields): bigint | undefined {
  const value = shape.get(fields, "checkpoint", "pluginSnapshotRevision");
  if (value === undefined) return undefined;
  if (typeof value === "bigint" && value >= 0n && value <= MAX_REVISION) return value;
  return shape.fail("checkpoint.pluginSnapshotRevision", "must be a bigint from 0 to 2^64 - 1");
}

interface ComponentFields {
  readonly component: Component;
  /** As the caller gave it. */
  readonly given: BlobRef | null;
  /** In effect: that of the value, else the given one. */
  readonly ref: BlobRef | undefined;
  readonly value: Uint8Array | undefined;
}

/** What most commits have of most components. */
const ABSENT: Readonly<Record<Component, ComponentFields>> = {
  toolState: { component: "toolState", given: null, ref: undefined, value: undefined },
  pluginSnapshot: { component: "pluginSnapshot", given: null, ref: undefined, value: undefined },
  executionState: { component: "executionState", given: null, ref: undefined, value: undefined },
};

function prepareComponent(fields: Fields, component: Component, refKey: string): ComponentFields {
  const given = shape.optionalRef(fields, "checkpoint", refKey);
  const value = shape.get(fields, "checkpoint", component);
  if (value === undefined) {
    return given === undefined ? ABSENT[component] : { component, given, ref: given, value };
  }
  const path = `checkpoint.${component}`;
  const bytes = encodeCanonical(checkComponent(component, value, path));
  checkSize(bytes.length, path);
  return { component, given: given ?? null, ref: sha256Hex(bytes) as BlobRef, value: bytes };
}

function checkSize(bytes: number, path: string): void {
  if (bytes <= MAX_COMPONENT_BYTES) return;
  shape.fail(path, `must not be larger than ${MAX_COMPONENT_BYTES} bytes, is ${bytes}`);
}

function checkComponent(component: Component, value: unknown, path: string): unknown {
  switch (component) {
    case "toolState":
      return checkToolState(value, path);
    case "pluginSnapshot":
      return checkPluginSnapshot(value, path);
    case "executionState":
      return checkExecutionState(value, path);
  }
}

function checkToolState(value: unknown, path: string): ToolState {
  const fields = shape.open(value, path, TOOL_STATE);
  const generation = shape.counterOrZero(fields, path, "generation");
  const toolsPath = below(path, "tools");
  const tools = {};
  const given = shape.get(fields, path, "tools");
  for (const name of shape.keys(given, toolsPath)) {
    const toolPath = below(toolsPath, name);
    const tool = shape.get(given as Fields, toolsPath, name);
    if (tool !== undefined) setOwn(tools, name, checkTool(tool, toolPath));
  }
  return { generation, tools };
}

function checkTool(value: unknown, path: string): ToolState["tools"][string] {
  const fields = shape.open(value, path, TOOL);
  const manifest = shape.snapshot(shape.get(fields, path, "manifest"), below(path, "manifest"));
  return { manifest: manifest as Json, sourceId: shape.text(fields, path, "sourceId") };
}

function checkPluginSnapshot(value: unknown, path: string): PluginSessionSnapshot {
  const fields = shape.open(value, path, PLUGIN_SNAPSHOT);
  const pluginsPath = below(path, "plugins");
  const given = shape.get(fields, path, "plugins");
  // A map in which every member is a payload is itself checked as one, one level deeper.
  shape.keys(given, pluginsPath);
  return { plugins: shape.payload(given, pluginsPath) as PluginSessionSnapshot["plugins"] };
}

function checkExecutionState(value: unknown, path: string): Uint8Array {
  if (!types.isUint8Array(value)) return shape.fail(path, "must be a Uint8Array");
  // Before it is copied: a refusal must not need the memory that it refuses.
  const size = shape.get(value as unknown as Fields, path, "byteLength");
  if (typeof size === "number") checkSize(size, path);
  return shape.snapshot(value, path) as Uint8Array;
}

/** An object without any property that counts, of which there is nothing to copy. */
function isEmptyPlain(payload: unknown): boolean {
  if (typeof payload !== "object" || payload === null || types.isProxy(payload)) return false;
  if (Object.getPrototypeOf(payload) !== Object.prototype) return false;
  for (const _ in payload) return false;
  return Object.getOwnPropertySymbols(payload).length === 0;
}

/** The payload is a copy of ours: looking at it calls no code of the caller. */
function isEmptyMap(payload: Json): boolean {
  return (
    typeof payload === "object" &&
    payload !== null &&
    !Array.isArray(payload) &&
    !(payload instanceof Uint8Array) &&
    Object.keys(payload).length === 0
  );
}
