/** The machine around a session's cell: a transition actor that gives the cell what it is sent. It decides nothing. */
import { type ActorRefFrom, createActor, fromTransition } from "xstate";
import type { SessionCell } from "./session.ts";
import type { SessionActorEvent } from "./session-events.ts";

export const sessionLogic = fromTransition<SessionCell, SessionActorEvent, never, { cell: SessionCell }>(
  (cell, event) => {
    cell.receive(event);
    return cell;
  },
  ({ input }) => input.cell,
);
export type SessionRef = ActorRefFrom<typeof sessionLogic>;

/** Its bytes are accounted for with the event that it is started for. */
export function startActor(cell: SessionCell): SessionRef {
  const actor = createActor(sessionLogic, { input: { cell } });
  // Without an observer xstate rethrows in a timer; transitions answer their own errors and never throw.
  actor.subscribe({ error: () => undefined });
  actor.start();
  return actor;
}
