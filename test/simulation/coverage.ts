/** What happened in simulations. One that never does something proves nothing about it. */

export class Coverage {
  readonly #counts = new Map<string, number>();

  add(feature: string, count = 1): void {
    if (count > 0) this.#counts.set(feature, this.of(feature) + count);
  }

  of(feature: string): number {
    return this.#counts.get(feature) ?? 0;
  }

  merge(other: ReadonlyMap<string, number> | Readonly<Record<string, number>>): void {
    for (const [feature, count] of other instanceof Map ? other : Object.entries(other))
      this.add(feature, count);
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** Features of which a run of many seeds must show at least one for every so many seeds. */
export const EXPECTED: Readonly<Record<string, number>> = {
  "end: closed": 2,
  "end: killed": 4,
  "end: powerCut": 2,
  "died while opening": 20,
  "torn tail": 20,
  "records replayed": 2,
  "commit answered": 1,
  "commit replayed": 8,
  HEAD_REVISION_CONFLICT: 4,
  OPERATION_CONFLICT: 40,
  NODE_ID_COLLISION: 20,
  INVALID_GRAPH: 20,
  NODE_IN_USE: 20,
  BLOB_MISSING: 20,
  SESSION_DELETED: 20,
  COMMIT_OUTCOME_UNKNOWN: 40,
  STORE_POISONED: 60,
  STORE_CLOSED: 20,
  STORE_BUSY: 40,
  STORE_FULL: 100,
  ABORTED: 20,
  "fault fired": 10,
  "event: snapshot": 1,
  "event: gc": 3,
  "event: passivated": 5,
  "event: poisoned": 60,
  "event: snapshotFailed": 40,
  "event: gcFailed": 100,
  "event: recovered": 2,
  "blobs collected": 4,
  "carried a ref": 2,
  "big commit": 10,
  "view read": 5,
  "second open refused": 5,
  listed: 2,
  "disk was full": 20,
  "disk was slow": 20,
  "clock jumped": 20,
  "manifest rotted": 40,
};

/** Features that a run of `seeds` seeds shows too rarely. */
export function missing(coverage: Coverage, seeds: number): string[] {
  return Object.entries(EXPECTED)
    .filter(([feature, every]) => coverage.of(feature) < Math.floor(seeds / every))
    .map(
      ([feature, every]) =>
        `${feature}: ${coverage.of(feature)}, at least ${Math.floor(seeds / every)} expected`,
    );
}
