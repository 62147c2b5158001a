/** Checks the arguments of every operation but the commit, before anything is looked up. */
import { storeError } from "../errors.ts";
import { MAX_COUNTER, MAX_META_CHARS, MAX_TOMBSTONED_IDS } from "../limits.ts";
import { describe, argumentShape as shape } from "./shape.ts";
import type { SessionMeta, SessionReadScope } from "./types.ts";

const META = ["sessionId", "sessionName", "createdAt", "model", "cwd", "parentSessionId"];

/** Throws INVALID_ARGUMENT, then SESSION_BINDING_MISMATCH. */
export function prepareMeta(value: unknown, boundSessionId: string): SessionMeta {
  const path = "meta";
  const fields = shape.open(value, path, META);
  const meta: SessionMeta = {
    sessionId: shape.id(fields, path, "sessionId"),
    sessionName: shape.text(fields, path, "sessionName"),
    createdAt: shape.text(fields, path, "createdAt"),
    model: shape.text(fields, path, "model"),
  };
  const cwd = shape.optionalText(fields, path, "cwd");
  if (cwd !== undefined) meta.cwd = cwd;
  const parent = shape.optionalId(fields, path, "parentSessionId");
  if (parent !== undefined) meta.parentSessionId = parent;
  const chars = meta.sessionName.length + meta.createdAt.length + meta.model.length + (cwd?.length ?? 0);
  if (chars > MAX_META_CHARS) {
    throw storeError(
      "INVALID_ARGUMENT",
      { argument: path },
      `the texts of meta have ${chars} characters together, more than ${MAX_META_CHARS}; it is kept in every listing`,
    );
  }
  checkBinding(meta.sessionId, boundSessionId);
  return meta;
}

export function checkBinding(attemptedSessionId: string, boundSessionId: string): void {
  if (attemptedSessionId === boundSessionId) return;
  throw storeError(
    "SESSION_BINDING_MISMATCH",
    { boundSessionId, attemptedSessionId },
    `this handle is bound to session "${boundSessionId}" and cannot write session "${attemptedSessionId}"`,
  );
}

export function prepareNodeId(value: unknown): string {
  return shape.checkId(value, "nodeId");
}

export function prepareNodeIds(value: unknown): string[] {
  const ids = shape.list(value, "nodeIds");
  if (ids.length > MAX_TOMBSTONED_IDS) {
    throw storeError(
      "INVALID_ARGUMENT",
      { argument: "nodeIds" },
      `nodeIds has ${ids.length} ids, more than ${MAX_TOMBSTONED_IDS}; hide them in several calls`,
    );
  }
  return ids.map((id, i) => shape.checkId(id, `nodeIds[${i}]`));
}

/** Throws UNSUPPORTED_READ_SCOPE; INVALID_ARGUMENT for a leaf that cannot be an id, or a limit that is none. */
export function prepareScope(value: unknown): SessionReadScope {
  if (value === undefined) return { kind: "fullGraph" };
  const { kind, leafNodeId, limit, headRevision } = readScope(value);
  if (kind === "fullGraph") return { kind };
  if (kind === "changesSince") return { kind, headRevision: checkRevision(headRevision) };
  return {
    kind,
    ...(leafNodeId === undefined ? {} : { leafNodeId: shape.checkId(leafNodeId, "scope.leafNodeId") }),
    ...(limit === undefined ? {} : { limit: checkLimit(limit) }),
  };
}

/** A page of none would never get further. */
function checkLimit(limit: unknown): number {
  if (Number.isSafeInteger(limit) && (limit as number) > 0) return limit as number;
  return shape.fail("scope.limit", `must be an integer from 1 to ${MAX_COUNTER}, not ${describe(limit)}`);
}

function checkRevision(revision: unknown): number {
  if (Number.isSafeInteger(revision) && (revision as number) >= 0) return revision as number;
  const problem = `must be an integer from 0 to ${MAX_COUNTER}, not ${describe(revision)}`;
  return shape.fail("scope.headRevision", problem);
}

export interface PathOptions {
  readonly leafNodeId?: string;
}

/** Throws INVALID_ARGUMENT. */
export function preparePath(value: unknown): PathOptions {
  if (value === undefined) return {};
  const leafNodeId = shape.optionalId(shape.open(value, "path", ["leafNodeId"]), "path", "leafNodeId");
  return leafNodeId === undefined ? {} : { leafNodeId };
}

interface ReadScope {
  readonly kind: SessionReadScope["kind"];
  readonly leafNodeId: unknown;
  readonly limit: unknown;
  readonly headRevision: unknown;
}

/** What each kind of scope may name beside its kind. */
const SCOPE_FIELDS: { readonly [Kind in SessionReadScope["kind"]]: readonly string[] } = {
  fullGraph: [],
  activePath: ["leafNodeId", "limit"],
  changesSince: ["headRevision"],
};

function readScope(value: unknown): ReadScope {
  let cause: unknown;
  try {
    const fields = shape.open(value, "scope", ["kind", "leafNodeId", "limit", "headRevision"]);
    const { kind, leafNodeId, limit, headRevision } = fields;
    if (kind === "fullGraph" || kind === "activePath" || kind === "changesSince") {
      const isForeign = (name: string) => fields[name] !== undefined && !SCOPE_FIELDS[kind].includes(name);
      if (!["leafNodeId", "limit", "headRevision"].some(isForeign))
        return { kind, leafNodeId, limit, headRevision };
    }
  } catch (error) {
    cause = error;
  }
  throw storeError(
    "UNSUPPORTED_READ_SCOPE",
    { scope: value },
    'the read scope must be { kind: "fullGraph" }, { kind: "activePath", leafNodeId?, limit? } or { kind: "changesSince", headRevision }',
    cause,
  );
}
