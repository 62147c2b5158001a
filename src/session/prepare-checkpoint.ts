/**
 * Checks a hydrated checkpoint and encodes it: the three components as canonical values, and the manifest
 * that names them. It deliberately knows no store: whether a ref exists is decided in `plan-commit.ts`.
 *
 * A hydrated value wins over any ref the caller passes. Both are kept in `given`, because the digest of an
 * operation covers every field.
 */
import { types } from "node:util";
import { sha256Hex } from "../checksum.ts";
import { decodeValue, encodeCanonical, encodeValue } from "../codec.ts";
import type { BlobRef } from "../ids.ts";
import { MAX_COMPONENT_BYTES } from "../limits.ts";
import { defaultModeTurnOptions } from "./defaults.ts";
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

export const COMPONENTS = ["toolState", "pluginSnapshot", "executionState"] as const;
export type Component = (typeof COMPONENTS)[number];

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
  /** Canonical bytes of the checkpoint manifest. */
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
  const turnState = prepareTurnState(shape.get(fields, path, "turnState"), "checkpoint.turnState");
  const components: PreparedComponent[] = [];
  const givenRefs: (BlobRef | null)[] = [];
  // Keys in code-point order, so that the manifest can usually be encoded without sorting.
  const checkpoint: Partial<SessionCheckpoint> = {};
  for (const component of COMPONENTS) {
    const given = shape.optionalRef(fields, path, `${component}Ref`);
    givenRefs.push(given ?? null);
    const bytes = prepareComponent(fields, component);
    const ref = bytes === undefined ? given : (sha256Hex(bytes) as BlobRef);
    if (ref !== undefined) components.push({ component, ref, value: bytes });
  }
  const refs = new Map(components.map(({ component, ref }) => [component, ref]));
  const executionStateRef = refs.get("executionState");
  const pluginSnapshotRef = refs.get("pluginSnapshot");
  const toolStateRef = refs.get("toolState");
  const revision = prepareRevision(fields);
  if (executionStateRef !== undefined) checkpoint.executionStateRef = executionStateRef;
  if (pluginSnapshotRef !== undefined) checkpoint.pluginSnapshotRef = pluginSnapshotRef;
  if (revision !== undefined) checkpoint.pluginSnapshotRevision = revision;
  if (toolStateRef !== undefined) checkpoint.toolStateRef = toolStateRef;
  return { components, givenRefs, ...encodeManifest({ ...checkpoint, turnState }) };
}

/** Encodes a manifest whose keys are in code-point order everywhere but inside the mode's payload. */
function encodeManifest(
  checkpoint: SessionCheckpoint,
): Pick<PreparedCheckpoint, "manifest" | "checkpointRef" | "checkpoint"> {
  const { modeId, payload } = checkpoint.turnState.modeTurnOptions;
  const sorted = modeId.isWellFormed() && isEmptyMap(payload);
  const manifest = sorted ? encodeValue(checkpoint, "plain") : encodeCanonical(checkpoint);
  return {
    manifest,
    checkpointRef: sha256Hex(manifest) as BlobRef,
    checkpoint: sorted ? checkpoint : (decodeValue(manifest) as SessionCheckpoint),
  };
}

function prepareTurnState(value: unknown, path: string): PersistedTurnState {
  const fields = shape.open(value, path, TURN_STATE);
  const prompt = shape.get(fields, path, "lastPromptUsage");
  const modeTurnOptions = prepareModeOptions(
    shape.get(fields, path, "modeTurnOptions"),
    "checkpoint.turnState.modeTurnOptions",
  );
  const tokenUsage = prepareTokenUsage(
    shape.get(fields, path, "tokenUsage"),
    "checkpoint.turnState.tokenUsage",
  );
  const turnIndex = shape.counter(fields, path, "turnIndex");
  if (prompt === undefined) return { modeTurnOptions, tokenUsage, turnIndex };
  const lastPromptUsage = preparePromptUsage(prompt, "checkpoint.turnState.lastPromptUsage");
  return { lastPromptUsage, modeTurnOptions, tokenUsage, turnIndex };
}

function prepareModeOptions(value: unknown, path: string): ModeTurnOptions {
  if (value === undefined) return defaultModeTurnOptions();
  const fields = shape.open(value, path, MODE_OPTIONS);
  const modeId = shape.text(fields, path, "modeId");
  const payload = shape.get(fields, path, "payload");
  if (payload === undefined) return { modeId, payload: {} };
  return { modeId, payload: shape.snapshot(payload, below(path, "payload")) as Json };
}

function prepareRevision(fields: Fields): bigint | undefined {
  const value = shape.get(fields, "checkpoint", "pluginSnapshotRevision");
  if (value === undefined) return undefined;
  if (typeof value === "bigint" && value >= 0n && value <= MAX_REVISION) return value;
  return shape.fail("checkpoint.pluginSnapshotRevision", "must be a bigint from 0 to 2^64 - 1");
}

/** Canonical bytes of a component's value, if one was given. */
function prepareComponent(fields: Fields, component: Component): Uint8Array | undefined {
  const value = shape.get(fields, "checkpoint", component);
  if (value === undefined) return undefined;
  const path = `checkpoint.${component}`;
  const bytes = encodeCanonical(checkComponent(component, value, path));
  if (bytes.length > MAX_COMPONENT_BYTES) {
    shape.fail(path, `must not be larger than ${MAX_COMPONENT_BYTES} bytes, is ${bytes.length}`);
  }
  return bytes;
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
  return { plugins: shape.payload(given, pluginsPath).value as PluginSessionSnapshot["plugins"] };
}

function checkExecutionState(value: unknown, path: string): Uint8Array {
  if (!types.isUint8Array(value)) return shape.fail(path, "must be a Uint8Array");
  return shape.snapshot(value, path) as Uint8Array;
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
