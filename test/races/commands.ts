/** The commands of a session race, and mixes of them. Each prints as what a reader needs to repeat it. */
import fc from "fast-check";
import { SESSION_IDLE_MS } from "../../src/limits.ts";
import {
  append,
  checkpoint,
  commit,
  ledgerEntry,
  messageNode,
  meta,
  toolState,
  usage,
} from "../support/builders.ts";
import { Call } from "./call.ts";
import { type Race, SESSIONS, type SessionId } from "./session-race.ts";

const session = fc.constantFrom(...SESSIONS);
/** Mostly one session: two calls on different ones rarely race. */
const contended = fc.constantFrom<SessionId>("a", "a", "a", "b");

const commits = fc
  .record({
    id: contended,
    expect: fc.constantFrom("none" as const, "right" as const, "right" as const, "wrong" as const),
    operation: fc.option(fc.nat(2), { nil: undefined }),
    collide: fc.nat(9),
    tool: fc.option(fc.nat(2), { nil: undefined }),
  })
  .map(
    (step) =>
      new Call<Race>(`commit(${JSON.stringify(step)})`, (race) => {
        const racer = race.racers[step.id];
        const { now } = racer.model;
        const node = step.collide === 0 ? racer.usedId(0) : `n${racer.usedIds.length}`;
        racer.usedIds.push(node);
        const expected = { none: undefined, right: now.revision, wrong: now.revision + 1 }[step.expect];
        race.commit(
          step.id,
          commit({
            sessionId: step.id,
            graph: append([messageNode(node, now.leaf)], node),
            checkpoint: checkpoint(step.tool === undefined ? {} : { toolState: toolState(step.tool) }),
            usageDeltas: [ledgerEntry("turn", "m", usage(1))],
            ...(expected === undefined ? {} : { expectedHeadRevision: expected }),
            ...(step.operation === undefined ? {} : { operationId: `op-${step.operation}` }),
          }),
        );
      }),
  );

/** The same commit again: an earlier one, the last one most often, which is likely in flight. */
const retries = fc.record({ id: contended, back: fc.constantFrom(0, 0, 0, 1, 2, 5) }).map(
  ({ id, back }) =>
    new Call<Race>(`retry(${id}, ${back} back)`, (race) => {
      const { sent } = race.racers[id];
      const again = sent[Math.max(0, sent.length - 1 - back)];
      if (again !== undefined) race.commit(id, again);
    }),
);

/** A commit with an operation id, sent twice in one go. */
const twice = fc.record({ id: contended, operation: fc.nat(50) }).map(
  ({ id, operation }) =>
    new Call<Race>(`twice(${id}, op-${operation})`, (race) => {
      const sent = commit({ sessionId: id, operationId: `op-${operation}` });
      race.commit(id, sent);
      race.commit(id, sent);
    }),
);

const tombstones = fc.record({ id: contended, picks: fc.array(fc.nat(20), { maxLength: 2 }) }).map(
  ({ id, picks }) =>
    new Call<Race>(`tombstone(${id}, ${picks})`, (race) => {
      const racer = race.racers[id];
      const ids = picks.map((pick) => racer.usedId(pick));
      race.write(id, racer.model.tombstone(ids), race.handle(id).tombstoneNodes(ids));
    }),
);

const vacuums = contended.map(
  (id) =>
    new Call<Race>(`vacuum(${id})`, (race) => {
      race.write(id, race.racers[id].model.vacuum(), race.handle(id).vacuum());
    }),
);

const metas = fc.record({ id: contended, name: fc.nat(9) }).map(
  ({ id, name }) =>
    new Call<Race>(`saveMeta(${id}, ${name})`, (race) => {
      const record = meta(id, { sessionName: `name ${name}` });
      race.write(
        id,
        race.racers[id].model.saveMeta(record.sessionName),
        race.handle(id).saveSessionMeta(record),
      );
    }),
);

const deletions = session.map(
  (id) =>
    new Call<Race>(`delete(${id})`, (race) => {
      race.write(id, race.racers[id].model.delete(), race.store.deleteSession(id));
    }),
);

const reads = contended.map((id) => new Call<Race>(`read(${id})`, (race) => race.read(id)));
const snapshots = fc.constant(new Call<Race>("snapshot()", (race) => race.snapshot()));
const gcs = fc.constant(new Call<Race>("gc()", (race) => race.gc()));
const minutes = fc.constant(new Call<Race>("minutes()", (race) => race.clock.passAgain(SESSION_IDLE_MS, 4)));
const passing = fc
  .constantFrom(1, 60_000)
  .map((ms) => new Call<Race>(`pass(${ms} ms)`, (race) => race.clock.pass(ms)));

const stalls = fc.constantFrom(
  new Call<Race>("stallLog()", (race) => race.clock.stallLog()),
  new Call<Race>("goOn()", (race) => race.clock.goOn()),
);

export const CALLS = {
  commits,
  retries,
  twice,
  tombstones,
  vacuums,
  metas,
  deletions,
  reads,
  snapshots,
  gcs,
  passing,
  minutes,
  stalls,
};
