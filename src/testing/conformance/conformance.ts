/**
 * The whole suite: every law of the contract that a store can be asked about through its own operations.
 * `conformance("my store", factory, capabilities)` declares the tests; see `suite.ts` for the two arguments.
 */
import { argumentLaws } from "./arguments.ts";
import { changeLaws } from "./changes.ts";
import { checkpointLaws } from "./checkpoint.ts";
import { commitLaws } from "./commit.ts";
import { concurrencyLaws } from "./concurrency.ts";
import { deletionLaws } from "./deletion.ts";
import { errorLaws } from "./errors.ts";
import { gcLaws } from "./gc.ts";
import { graphLaws } from "./graph.ts";
import { hostStateLaws } from "./host-state.ts";
import { ledgerLaws } from "./ledger.ts";
import { lifecycleLaws } from "./lifecycle.ts";
import { listingLaws } from "./listing.ts";
import { loadLaws } from "./load.ts";
import { metaLaws } from "./meta.ts";
import { operationLaws } from "./operations.ts";
import { payloadLaws } from "./payloads.ts";
import { pickerLaws } from "./picker.ts";
import { readLaws } from "./reads.ts";
import { type Capabilities, declare, type StoreFactory } from "./suite.ts";
import { tombstoneLaws } from "./tombstone.ts";

const AREAS = {
  load: loadLaws,
  reads: readLaws,
  changes: changeLaws,
  commit: commitLaws,
  graph: graphLaws,
  checkpoint: checkpointLaws,
  operations: operationLaws,
  ledger: ledgerLaws,
  picker: pickerLaws,
  meta: metaLaws,
  tombstone: tombstoneLaws,
  gc: gcLaws,
  deletion: deletionLaws,
  payloads: payloadLaws,
  arguments: argumentLaws,
  listing: listingLaws,
  lifecycle: lifecycleLaws,
  errors: errorLaws,
  "host state": hostStateLaws,
  concurrency: concurrencyLaws,
};
export type AreaName = keyof typeof AREAS;

/** Declares the laws of the contract for a store; of these areas only, if given. */
export function conformance(
  name: string,
  factory: StoreFactory,
  capabilities: Capabilities,
  areas: readonly AreaName[] = Object.keys(AREAS) as AreaName[],
): void {
  declare(name, Object.fromEntries(areas.map((area) => [area, AREAS[area]])), factory, capabilities);
}
