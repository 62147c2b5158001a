/**
 * Which tests judge the mutants of which module: the quick ones that are about it. All of a line run in one
 * process, so the first that is likely to notice stands first.
 */
interface Subject {
  readonly file: string;
  readonly tests: readonly string[];
}

const WAL = "test/wal";
const SESSION = "test/session";
const SNAPSHOT = "test/snapshot";
const SCANS = [`${WAL}/scan.test.ts`, `${WAL}/walk.test.ts`, `${WAL}/log.test.ts`, `${WAL}/segments.test.ts`];
const CHAINS = [`${WAL}/chain.test.ts`, `${WAL}/lost-header.test.ts`];
const DAMAGE = [`${WAL}/damage-lengths.test.ts`, `${WAL}/damage.test.ts`, `${WAL}/unproven-link.test.ts`];
const PLANS = ["plan-commit", "plan-graph", "plan-session"].map((name) => `${SESSION}/${name}.test.ts`);
const APPLIED = [`${SESSION}/apply.test.ts`, `${SESSION}/read.test.ts`, `${SESSION}/ledger.test.ts`];
const RECORDS = ["record", "record-writer", "record-route"].map((name) => `${SESSION}/${name}.test.ts`);
const FOLDS = [
  "fold-session",
  "fold",
  "fold-hostile",
  "view",
  "damage",
  "hostile-files",
  "hostile-records",
].map((name) => `${SNAPSHOT}/${name}.test.ts`);
const FORMAT = "test/format.test.ts";

export const SUBJECTS: readonly Subject[] = [
  { file: "src/wal/frame.ts", tests: [`${WAL}/frame.test.ts`, ...SCANS, FORMAT] },
  { file: "src/wal/scan.ts", tests: [...SCANS, ...DAMAGE, `${WAL}/torn.test.ts`] },
  { file: "src/wal/walk.ts", tests: [`${WAL}/walk.test.ts`, `${WAL}/walk-segments.test.ts`] },
  { file: "src/wal/chain.ts", tests: [...CHAINS, ...SCANS, ...DAMAGE] },
  { file: "src/wal/batch.ts", tests: [`${WAL}/batch.test.ts`, `${WAL}/log.test.ts`] },
  { file: "src/wal/segment.ts", tests: [`${WAL}/segment.test.ts`, ...SCANS, FORMAT] },
  {
    file: "src/wal/tail.ts",
    tests: [`${WAL}/tail.test.ts`, `${WAL}/segment.test.ts`, ...SCANS, ...DAMAGE, FORMAT],
  },
  { file: "src/wal/reader.ts", tests: [`${WAL}/reader.test.ts`, `${WAL}/log.test.ts`] },
  { file: "src/wal/words.ts", tests: [`${WAL}/words.test.ts`, `${WAL}/segments.test.ts`] },
  {
    file: "src/wal/recovery.ts",
    tests: [...CHAINS, ...SCANS, ...DAMAGE, `${WAL}/torn.test.ts`, `${WAL}/crash.test.ts`],
  },
  {
    file: "src/session/apply.ts",
    tests: [...APPLIED, ...PLANS, `${SESSION}/picker.test.ts`, `${SESSION}/changes.test.ts`],
  },
  { file: "src/session/graph.ts", tests: [`${SESSION}/graph.test.ts`] },
  { file: "src/session/recent-bodies.ts", tests: [`${SESSION}/recent-bodies.test.ts`] },
  { file: "src/session/slot-index.ts", tests: [`${SESSION}/slot-index.test.ts`] },
  { file: "src/session/ledger.ts", tests: [`${SESSION}/ledger.test.ts`, ...APPLIED] },
  { file: "src/session/plan-commit.ts", tests: PLANS },
  { file: "src/session/plan-graph.ts", tests: PLANS },
  { file: "src/session/plan-session.ts", tests: PLANS },
  {
    file: "src/session/read.ts",
    tests: [`${SESSION}/read.test.ts`, `${SESSION}/changes.test.ts`, ...APPLIED],
  },
  { file: "src/session/record.ts", tests: [...RECORDS, FORMAT] },
  { file: "src/session/record-reader.ts", tests: [...RECORDS, `${SNAPSHOT}/hostile-records.test.ts`] },
  { file: "src/session/record-route.ts", tests: RECORDS },
  { file: "src/session/record-writer.ts", tests: RECORDS },
  {
    file: "src/session/state.ts",
    tests: [`${SESSION}/state.test.ts`, ...APPLIED, ...PLANS, `${SESSION}/changes.test.ts`],
  },
  { file: "src/snapshot/filter.ts", tests: [`${SNAPSHOT}/filter.test.ts`, FORMAT] },
  { file: "src/snapshot/fold-session.ts", tests: FOLDS },
  { file: "src/snapshot/head.ts", tests: [...FOLDS, FORMAT] },
  { file: "src/snapshot/manifest.ts", tests: [`${SNAPSHOT}/manifest.test.ts`, FORMAT] },
  {
    file: "src/snapshot/merge-heads.ts",
    tests: [`${SNAPSHOT}/fold.test.ts`, ...FOLDS, `${SNAPSHOT}/heads-file.test.ts`],
  },
  { file: "src/snapshot/pages.ts", tests: [`${SNAPSHOT}/pages.test.ts`, `${SNAPSHOT}/view.test.ts`] },
  { file: "src/checksum.ts", tests: ["test/checksum.test.ts", `${WAL}/frame.test.ts`, FORMAT] },
  {
    file: "src/msgpack-reader.ts",
    tests: ["test/msgpack-reader.test.ts", "test/snapshot/node-page.test.ts"],
  },
  {
    file: "src/msgpack-writer.ts",
    tests: ["test/msgpack-writer.test.ts", `${SESSION}/record-writer.test.ts`],
  },
];
