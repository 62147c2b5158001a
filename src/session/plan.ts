/** The door of planning: what each write means for a session. Rules lie in `plan-*.ts`. */
export {
  type BlobFacts,
  type CommitPlan,
  type CommitPlanOptions,
  needs,
  type PlannedBlob,
  planCommit,
} from "./plan-commit.ts";
export {
  deletedError,
  planDelete,
  planMeta,
  planTombstone,
  planVacuum,
  type WritePlan,
} from "./plan-session.ts";
