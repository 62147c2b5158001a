/** How many sessions a store holds, of the moment it is asked: read from every head, so it takes as long as a listing. */
import { openView } from "../actors/view-of-moment.ts";
import { systemClock } from "../clock.ts";
import { listSessionsOf } from "../list-sessions.ts";
import type { Vfs } from "../vfs/vfs.ts";

export interface SessionCount {
  /** Not deleted, children among them. */
  readonly sessions: number;
  readonly children: number;
}

export async function countSessions(vfs: Vfs, root: string): Promise<SessionCount> {
  const view = openView(vfs, root);
  try {
    const store = {
      source: () => view.source,
      resident: () => undefined,
      check: () => {},
      clock: systemClock,
    };
    let sessions = 0;
    let children = 0;
    for await (const { parentSessionId } of listSessionsOf(store, { includeChildren: true })) {
      sessions++;
      if (parentSessionId !== undefined) children++;
    }
    return { sessions, children };
  } finally {
    view.release();
  }
}
