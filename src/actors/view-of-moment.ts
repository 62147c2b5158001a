/**
 * A store's state at one moment, read beside a live owner and without its lock. The owner may publish,
 * roll and recycle while we read, so an answer counts only if the newest manifest did not change meanwhile;
 * and what is missing from a view that the owner has outrun is VIEW_EXPIRED, not damage.
 */
import type { RecoveryReport, VerifyReport } from "../contract.ts";
import { storeError } from "../errors.ts";
import type { HeadFigures } from "../session/head-meta.ts";
import type { SessionState } from "../session/state.ts";
import { checkSnapshot } from "../snapshot/check.ts";
import { type Manifest, manifestPath } from "../snapshot/manifest.ts";
import { runThrough, type Steps } from "../steps.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { scanLogInSteps } from "../wal/log.ts";
import { readStoreId, refuseRemains } from "./directory.ts";
import { chooseGenerationInSteps, listManifests } from "./generations.ts";
import { TailReplay } from "./replay.ts";
import { Source } from "./source.ts";
import { Tail } from "./tail.ts";

/** Attempts before a store that changes faster than we read is reported. */
const MAX_ATTEMPTS = 10;
/** Loaded sessions a view keeps. */
const KEPT_STATES = 16;

export interface StoreView {
  readonly manifest: Manifest;
  readonly recovery: RecoveryReport;
  readonly source: Source;
  state(sessionId: string): SessionState;
  isLoaded(sessionId: string): boolean;
  /** From the state if it was loaded; else no page is read. */
  headFigures(sessionId: string): HeadFigures;
  verify(): VerifyReport;
  release(): void;
}

/** A view of the store as it is now, at once. */
export function openView(vfs: Vfs, root: string): StoreView {
  return runThrough(openViewInSteps(vfs, root));
}

/** As `openView`, in bounded steps. */
export function* openViewInSteps(vfs: Vfs, root: string): Steps<StoreView> {
  for (let attempt = 1; ; attempt++) {
    const before = newest(vfs, root);
    try {
      const view = yield* readView(vfs, root);
      if (newest(vfs, root) === before) return view;
      // The owner has gone on meanwhile; what is missing from the view may just be gone.
      if (attempt === MAX_ATTEMPTS && view.source.view.unreadable.length === 0) return view;
      view.release();
      if (attempt === MAX_ATTEMPTS) refuseRestless(root);
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || newest(vfs, root) === before) throw error;
    }
  }
}

function refuseRestless(root: string): never {
  throw storeError(
    "VIEW_EXPIRED",
    { file: root },
    `the owner of ${root} changes it faster than it can be read; try again`,
  );
}

function newest(vfs: Vfs, root: string): number {
  return vfs.stat(root)?.kind === "directory" ? (listManifests(vfs, root)[0] ?? 0) : 0;
}

/** Nothing is a store before its first manifest; what holds files of one must have had one. */
function refuseWithoutManifest(vfs: Vfs, root: string): never {
  if (vfs.stat(root)?.kind === "directory") refuseRemains(vfs, root);
  const problem = "holds no store, or one whose creation is not finished; open it for writing once";
  throw storeError("NOT_A_STORE", { path: root }, `${root} ${problem}`);
}

function* readView(vfs: Vfs, root: string): Steps<StoreView> {
  const started = performance.now();
  if (newest(vfs, root) === 0) refuseWithoutManifest(vfs, root);
  const storeId = readStoreId(vfs, root);
  const { manifest, view } = yield* chooseGenerationInSteps(vfs, root, storeId);
  try {
    const directory = `${root}/wal`;
    const tail = new Tail();
    const replay = new TailReplay(tail, directory);
    const payloads = new Map<string, Uint8Array>();
    const scan = yield* scanLogInSteps(
      vfs,
      directory,
      storeId,
      manifest.log,
      (lsn, segment, offset, payload) => {
        // The owner may recycle the segment, so the view keeps what it needs of it.
        payloads.set(`${segment}:${offset}`, Buffer.from(payload));
        replay.onRecord(lsn, segment, offset, payload);
      },
    );
    replay.finish();
    const source = new Source({
      view: () => view,
      tail,
      readFrame: (segment, offset) => payloads.get(`${segment}:${offset}`) ?? new Uint8Array(),
      segmentName: (segment) => `${directory}/${segment.toString(16).padStart(16, "0")}.wal`,
      receiptsKept: 0,
      isCondemned: () => false,
    });
    const { cleanClose, replayedRecords, replayedBytes, tornBytes } = scan;
    const recovery = {
      cleanClose,
      replayedRecords,
      replayedBytes,
      tornBytes,
      durationMs: performance.now() - started,
    };
    const states = new StateCache(source);
    return {
      manifest,
      recovery,
      source,
      state: (sessionId) => states.get(sessionId),
      isLoaded: (sessionId) => states.peek(sessionId) !== undefined,
      headFigures: (sessionId) => states.peek(sessionId) ?? source.headFigures(sessionId),
      verify: () => {
        const problems = checkSnapshot(vfs, { root, manifest });
        if (problems.length > 0) refuseOutrun(vfs, root, manifest);
        return { ok: problems.length === 0, problems };
      },
      release: () => view.release(),
    };
  } catch (error) {
    view.release();
    throw error;
  }
}

/** An owner keeps what its two newest manifests name; what an older one misses was removed, not damaged. */
function refuseOutrun(vfs: Vfs, root: string, manifest: Manifest): void {
  if (newest(vfs, root) <= manifest.number + 1) return;
  const file = manifestPath(root, manifest.number);
  throw storeError(
    "VIEW_EXPIRED",
    { file },
    `the owner has gone on and removed what ${file} names; refresh it`,
  );
}

/** The last few loaded sessions; a view never changes, so they stay right. */
class StateCache {
  readonly #source: Source;
  readonly #states = new Map<string, SessionState>();
  constructor(source: Source) {
    this.#source = source;
  }
  peek(sessionId: string): SessionState | undefined {
    return this.#states.get(sessionId);
  }
  get(sessionId: string): SessionState {
    const known = this.#states.get(sessionId);
    if (known !== undefined) return known;
    const state = this.#source.load(sessionId);
    this.#states.set(sessionId, state);
    if (this.#states.size > KEPT_STATES) {
      for (const oldest of this.#states.keys()) {
        this.#states.delete(oldest);
        break;
      }
    }
    return state;
  }
}
