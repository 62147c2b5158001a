/** Every bound of the store, in one place, with its unit and its reason. */

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Ids become keys of index blocks; 512 bytes keep a block of 4 KiB useful. */
export const MAX_ID_BYTES = 512;
/** Levels of a payload, counted from the payload. The contract asks for at least 100; decoding recurses. */
export const MAX_PAYLOAD_DEPTH = 200;
/** Largest counter that a JavaScript number holds exactly. */
export const MAX_COUNTER = Number.MAX_SAFE_INTEGER;
/** Characters of `firstUserMessage`. */
export const MAX_FIRST_USER_MESSAGE_CHARS = 1024;
/** Characters of a session's meta texts together: they lie in its head, which every listing reads. */
export const MAX_META_CHARS = 64 * KIB;
/** Node ids one call may tombstone: with ids of 512 bytes its record stays below 52 MB. */
export const MAX_TOMBSTONED_IDS = 100_000;
/**
 * Removed nodes a session remembers, so that copies of it can follow: with ids of 40 characters some 150 bytes each.
 * A copy that lacks more of them is as well read anew.
 */
export const MAX_REMOVALS_KEPT = 4096;
/** Bytes of one checkpoint component's encoding. */
export const MAX_COMPONENT_BYTES = 256 * MIB;
/** Bytes of blob data in one frame; larger values travel as several frames. */
export const MAX_BLOB_FRAME_BYTES = 1 * MIB;

/** Bytes of one log segment: default, and the least that holds a header, a LINK and useful work. */
export const DEFAULT_SEGMENT_BYTES = 16 * MIB;
export const MIN_SEGMENT_BYTES = 64 * KIB;
export const MAX_SEGMENT_BYTES = 1024 * MIB;
/** Bytes one batch may write before it is synced: bounds the latency of the first commit in it. */
export const MAX_BATCH_BYTES = 1 * MIB;
/** Frames in one batch; `frames left in group` is a u16. */
export const MAX_BATCH_FRAMES = 4096;
/** Bytes of the ring between the main thread and the log thread. */
export const RING_BYTES = 8 * MIB;
/** Milliseconds from which one sync of the log counts as slow: every commit in flight hangs that long. */
export const SLOW_SYNC_MS = 500;
/** Milliseconds between two events that tell of slow syncs, so that a sick disk does not flood the host. */
export const SLOW_SYNC_EVENT_MS = 5_000;
/** Frames in flight that count as few: their latency matters more than a core's time. */
export const FEW_FRAMES = 16;
/** Milliseconds that the event loop is kept turning for the answer to a few commits, at most. */
export const POLL_MS = 1.2;
/** Milliseconds of them that one turn takes: so long other work of the host may wait. */
export const POLL_TURN_MS = 0.03;
/** Looks at a shared word for one at the clock, whose answer is garbage to be collected: some two microseconds. */
export const LOOKS_A_TIME = 300;
/** Milliseconds in which the log's thread has taken a few commits, unless it waits for the very core that is kept busy. */
export const TAKEN_MS = 0.08;
/** Milliseconds that the log's thread looks for the next commit after a few before it sleeps. */
export const LOOK_FOR_WORK_MS = 0.1;
/** Zero-filled segments kept ready. */
export const SPARE_SEGMENTS = 2;
/** Retired segments kept to be written again: twice what a snapshot sets free by default. */
export const MAX_RECYCLABLE_SEGMENTS = 8;
/** Copies of cut tails kept in quarantine/. */
export const MAX_QUARANTINES = 8;
/** Bytes a worker writes between two syncs, so that a commit's sync never waits for a large one. */
export const MAINTENANCE_SLICE_BYTES = 256 * KIB;
/** Bytes a worker writes per millisecond while it is not behind: 32 MiB a second leave the disk to commits. */
export const MAINTENANCE_BYTES_PER_MS = Math.round((32 * MIB) / 1000);

/**
 * Bytes of log that an opening reads, checks and enters between two turns of the event loop: some 3 ms of work.
 * A single larger frame is one step.
 */
export const RECOVERY_STEP_BYTES = 256 * KIB;
/** Bytes of log between two events that tell how far a replay is: some 50 ms. */
export const PROGRESS_BYTES = 8 * MIB;
/** Milliseconds between two events that tell how far a worker is. */
export const PROGRESS_MS = 1_000;
/** Bytes of log that are read, or looked through for remains, at a time: memory speed, so a millisecond. */
export const READ_STEP_BYTES = 1 * MIB;

/** Bytes of a node page after which it is left alone, and how many small ones merge at a time. */
export const PAGE_BYTES = 256 * KIB;
export const PAGE_MERGE_FAN_IN = 8;
/** Bytes of a head's outline: some ten nodes with ids of 36 characters, fifty with short ones. */
export const MAX_OUTLINE_BYTES = 512;
/**
 * A session whose nodes take so many bytes of pages has an index of its ids: of a shorter one all pages are read in one step.
 * Of the index so many bytes lie in the head before they become an item of a page, and so many in one item at most.
 */
export const MIN_INDEXED_BYTES = 256 * KIB;
export const MAX_INDEX_BYTES_IN_HEAD = 512;
export const INDEX_ITEM_BYTES = 4 * KIB;
/** Ids of such an index that one step enters in memory: some 2 ms. */
export const IDS_PER_STEP = 32_768;
/** Page references one index page holds. */
export const PAGE_FAN_OUT = 16;
/**
 * What a read of the newest nodes of a session that is not in memory may look at before the session is loaded instead:
 * bytes of its pages, some 15 ms of reading, of the index of its ids, as much, and its records in the log.
 */
export const MAX_NEWEST_PAGE_BYTES = 2 * MIB;
export const MAX_NEWEST_INDEX_BYTES = 8 * MIB;
export const MAX_NEWEST_RECORDS = 512;
/** Bytes of pages, or of records in the log, that one step of loading a session reads: some 2 ms of work. */
export const LOAD_STEP_BYTES = 256 * KIB;
/** Bytes of nodes, and some for each, that one step of a read decodes: some 3 ms of work. */
export const DECODE_STEP_BYTES = 512 * KIB;
/** Newest nodes of a session whose entries never leave memory before it does: most commits name one as parent or leaf. */
export const ENTRIES_KEPT = 32;
/** Entries that leave memory in one turn, of all sessions. */
export const ENTRIES_SHED_PER_TURN = 32_768;
/** Nodes that one step of bringing bodies back compares with what was read anew, or gives their bodies: some 2 ms. */
export const NODES_BACK_PER_STEP = 8192;
/** Loads and reads of long sessions under way at the same time: what is half done only takes memory. */
export const MAX_LONG_WORKS = 4;
/** Snapshots published while a session is loaded after which its load ends in one turn. */
export const MAX_LOADS_BEGUN_ANEW = 3;
/** Bytes of a block of a heads file. */
export const HEADS_BLOCK_BYTES = 4 * KIB;
/** Bytes of records that a fold keeps from its scan of the log: those of a piece of `snapshot.logBytes`, by default. */
export const MAX_KEPT_RECORD_BYTES = 64 * MIB;
/** Bytes of packs that one slice of a gc rewrites. */
export const GC_SLICE_BYTES = 64 * MIB;
/** Bytes of packs below which a fold merges neighbours, and how many it lets stand. */
export const SMALL_PACK_BYTES = 4 * MIB;
export const MAX_SMALL_PACKS = 8;

/** Log bytes beyond the newest snapshot after which `close()` folds first. */
export const CLOSE_FOLD_BYTES = 4 * MIB;
/** Log segments beyond the newest snapshot at which an opening folds, because every opening starts one. */
export const MAX_UNFOLDED_SEGMENTS = 8;
/** Log bytes beyond the newest snapshot at which one is taken, by default. */
export const DEFAULT_SNAPSHOT_LOG_BYTES = 64 * MIB;
/** Multiple of `snapshot.logBytes` at which commits are refused as busy until a fold catches up. */
export const LOG_BACKLOG_FACTOR = 4;
/** Blobs remembered as used while a gc runs; beyond it the gc is abandoned. */
export const MAX_GC_USED_BLOBS = 1_000_000;
/** Used blobs that a gc looks at in one turn of the event loop: about 5 ms, and more than one turn can name. */
export const USED_BLOBS_PER_TURN = 8192;
/** Sessions that leave memory in one turn of the event loop: stopping an actor takes a few microseconds. */
export const SESSIONS_LEAVING_PER_TURN = 512;
/** Milliseconds a session may be idle before it is passivated. */
export const SESSION_IDLE_MS = 60_000;
