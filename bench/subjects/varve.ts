/** The store itself as a subject, with automatic snapshots and gc off unless the bench asks for them. */
import { openStore, type Store, type StoreOptions } from "../../src/index.ts";
import { commitOf, sessionOf } from "../support/commits.ts";
import { DURABILITY, expectEqual, type Subject, sampleOf } from "../support/subject.ts";

export interface VarveSubject extends Subject {
  readonly store: Store;
}

export function varve(
  options: StoreOptions = {},
  shape: { chars?: number; name?: string } = {},
): (directory: string) => Promise<VarveSubject> {
  return async (directory) => {
    const store = await openStore(directory, { snapshot: false, gc: false, ...options });
    const handles = new Map<number, ReturnType<Store["session"]>>();
    return {
      name: shape.name ?? "varve",
      durability:
        options.sync === undefined || options.sync === "always" ? DURABILITY.power : DURABILITY.kernel,
      store,
      commit: (committer, step) => {
        let session = handles.get(committer);
        if (session === undefined) {
          session = store.session(sessionOf(committer));
          handles.set(committer, session);
        }
        return session.commitRuntimeState(commitOf(session.sessionId, step, shape.chars));
      },
      syncs: () => store.stats().log.syncs,
      close: () => store.close(),
      verify: (steps) => verifyStore(directory, steps, options),
    };
  };
}

/** Reopens the store: every sampled chain has its revision and all its nodes. */
export async function verifyStore(
  directory: string,
  steps: readonly number[],
  options: StoreOptions,
): Promise<void> {
  const store = await openStore(directory, { snapshot: false, gc: false, ...options });
  try {
    for (const committer of sampleOf(steps)) {
      const read = await store.session(sessionOf(committer)).loadSession();
      expectEqual(`revision of ${sessionOf(committer)}`, read?.headRevision ?? 0, steps[committer]);
      expectEqual(`nodes of ${sessionOf(committer)}`, read?.graph.nodes.length ?? 0, steps[committer]);
    }
  } finally {
    await store.close();
  }
}
