/** Expectations about refusals and lists. They deliberately know nothing of how a store is made. */
import assert from "node:assert/strict";
import type { RuntimePersistence, SessionReader, Store } from "../../contract.ts";
import { isStoreError, type StoreError, type StoreErrorCode } from "../../errors.ts";
import type { PersistedSessionRead, SessionPickerInfo } from "../../session/types.ts";

/** The promise is refused with this code, and the error has at least these fields. */
export async function refuses(
  promise: Promise<unknown>,
  code: StoreErrorCode,
  fields: object = {},
): Promise<StoreError> {
  const error = await failure(promise);
  if (!isStoreError(error)) throw new Error(`expected ${code}, got something else`, { cause: error });
  assert.equal(error.code, code, `${error.code}: ${error.message}`);
  for (const [key, value] of Object.entries(fields)) {
    assert.deepEqual((error as unknown as Record<string, unknown>)[key], value, `field ${key}`);
  }
  return error;
}

/** What the promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected a refusal, but the call succeeded");
}

/** What the session holds; a missing head is a failed test. */
export async function read(session: SessionReader): Promise<PersistedSessionRead> {
  const found = await session.loadSession();
  assert.ok(found, `session ${session.sessionId} has no head`);
  return found;
}

/** Ids of the nodes of the full graph, in order. */
export async function nodeIds(session: SessionReader): Promise<string[]> {
  return (await read(session)).graph.nodes.map((node) => node.nodeId);
}

/** Ids of an active path, root first. */
export async function pathIds(session: SessionReader, leafNodeId?: string): Promise<string[]> {
  const found = await session.loadSession({
    kind: "activePath",
    ...(leafNodeId === undefined ? {} : { leafNodeId }),
  });
  assert.ok(found, `session ${session.sessionId} has no head`);
  return found.graph.nodes.map((node) => node.nodeId);
}

export async function listed(
  store: Pick<Store, "listSessions">,
  options?: Parameters<Store["listSessions"]>[0],
): Promise<SessionPickerInfo[]> {
  const entries: SessionPickerInfo[] = [];
  for await (const entry of store.listSessions(options)) entries.push(entry);
  return entries;
}

/** Everything a refused call must leave as it was. */
export async function everything(session: RuntimePersistence): Promise<unknown> {
  return { read: await session.loadSession(), meta: await session.loadSessionMeta() };
}
