/** The package's only public door. What is not exported here is not part of the contract. */
export type { Clock } from "./clock.ts";
export type {
  CallOptions,
  ListOptions,
  ReadOnlyStore,
  RecoveryReport,
  RuntimePersistence,
  SessionReader,
  Store,
  StoreEvent,
  StoreOptions,
  StoreStats,
  SyncPolicy,
  VerifyProblem,
  VerifyReport,
} from "./contract.ts";
export type { Retry, StoreError, StoreErrorCode, StoreErrorFields, StoreErrorOf } from "./errors.ts";
export { isStoreError, STORE_ERRORS } from "./errors.ts";
export type { BlobRef } from "./ids.ts";
export { openStoreReadOnly } from "./read-only.ts";
export {
  defaultSessionConfig,
  defaultSessionPolicy,
  defaultSessionState,
  emptySessionGraph,
  emptySessionHead,
  emptySessionHeadMeta,
} from "./session/defaults.ts";
export {
  activePath,
  appendMessages,
  applyChanges,
  branchTo,
  findNode,
  firstUserMessage,
  forkCurrentPath,
  healOrphanedLeaf,
  messageTree,
  userMessageCount,
} from "./session/graph.ts";
export {
  applyCommitResult,
  checkpointFromState,
  commitFromState,
  commitFromStateWithGraph,
  configFromState,
  deltaLeafNodeId,
  loadPersistedSessionState,
  loadPersistedSessionStateActivePath,
  refreshPersistedSessionState,
  stateFromHead,
  stateFromRead,
  turnStateFromState,
} from "./session/host-state.ts";
export { fromJson, toJson } from "./session/json.ts";
export type * from "./session/types.ts";
export { openMemoryStore, openStore } from "./store.ts";
export type { FileStat, OpenMode, Vfs, VfsFile } from "./vfs/vfs.ts";
