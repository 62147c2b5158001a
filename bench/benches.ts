/** Every bench, in the order in which they run and are shown. */
import { busyPool } from "./busy-pool.ts";
import { commitSize } from "./commit-size.ts";
import { diskAfterDeletes } from "./disk-after-deletes.ts";
import { endlessSession } from "./endless-session.ts";
import { eventLoop } from "./event-loop.ts";
import { figures } from "./figures.ts";
import { groupCommit } from "./group-commit.ts";
import { growth } from "./growth.ts";
import { historyLength } from "./history-length.ts";
import { loads } from "./loads.ts";
import { maintenanceWrites } from "./maintenance-writes.ts";
import { manySessions } from "./many-sessions.ts";
import { memoryPerSession } from "./memory-per-session.ts";
import { oneCommit } from "./one-commit.ts";
import { openLoopLatency } from "./open-loop.ts";
import { randomSessions } from "./random-sessions.ts";
import { recovery } from "./recovery.ts";
import type { Bench } from "./support/bench.ts";
import { syncPolicy } from "./sync-policy.ts";
import { tail } from "./tail.ts";
import { wholeState } from "./whole-state.ts";
import { writeAmplification } from "./write-amplification.ts";

export const BENCHES: readonly Bench[] = [
  figures,
  oneCommit,
  groupCommit,
  openLoopLatency,
  syncPolicy,
  commitSize,
  tail,
  eventLoop,
  busyPool,
  historyLength,
  loads,
  endlessSession,
  recovery,
  manySessions,
  randomSessions,
  memoryPerSession,
  writeAmplification,
  maintenanceWrites,
  growth,
  wholeState,
  diskAfterDeletes,
];
