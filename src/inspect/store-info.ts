/**
 * A look at a store from outside: identity, owner, generations, log. Opens nothing for writing, takes no
 * lock, and says what is wrong instead of failing; whether all of it is sound is `verify`'s question.
 */
import { readStoreId } from "../actors/directory.ts";
import { toStoreError } from "../errors.ts";
import type { Lsn } from "../ids.ts";
import { type Manifest, readManifest } from "../snapshot/manifest.ts";
import { SnapshotView } from "../snapshot/view.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { newestTail, readTail, type Tail } from "../wal/tail.ts";
import { type WalkedHead, walkHead, walkSegment } from "../wal/walk.ts";
import { type OwnerInfo, ownerOf } from "./owner.ts";
import { type FileKind, listStoreFiles, type StoreFile } from "./store-files.ts";

export interface Trouble {
  readonly file: string;
  readonly message: string;
}

export interface ManifestInfo {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  /** Absent where the manifest cannot be read. */
  readonly content?: {
    readonly headsFiles: number;
    readonly headsBytes: number;
    /** Heads in them; a session may have several. */
    readonly heads: number;
    readonly packs: number;
    readonly packBytes: number;
    readonly values: number;
    readonly deadBytes: number;
    /** The log goes on there: its records above this LSN are not in this snapshot. */
    readonly logSegment: number;
    readonly lsn: Lsn;
  };
  /** Whether it and the files it names could be opened. */
  readonly isWhole: boolean;
}

export interface SegmentInfo {
  readonly number: number;
  readonly path: string;
  readonly bytes: number;
  readonly state: "sealed" | "active" | "spare" | "unreadable";
  readonly createdAt?: string;
  /** Records above this LSN begin here. */
  readonly afterLsn?: Lsn;
}

export interface LogEnd {
  readonly segment: number;
  readonly offset: number;
  readonly lsn: Lsn;
  /** Proven by TAIL, LINK or a later frame. */
  readonly durableLsn: Lsn;
  /** The last owner closed the store: the log ends with a SEAL. */
  readonly isCleanClose: boolean;
  /** Bytes behind the end that look like a frame begun and never finished. */
  readonly tornBytes: number;
  /** Where the first frame that does not verify begins. */
  readonly brokenAt?: number;
  /** Beyond the newest snapshot that can be read: what the next one will fold, and an opening replay. */
  readonly unfolded?: { readonly records: number; readonly bytes: number };
}

export interface StoreInfo {
  readonly directory: string;
  readonly storeId?: string;
  readonly owner: OwnerInfo;
  readonly manifests: readonly ManifestInfo[];
  readonly segments: readonly SegmentInfo[];
  readonly tail: readonly (Omit<Tail, "salt"> | null)[];
  readonly log?: LogEnd;
  readonly files: Readonly<Record<FileKind, { readonly count: number; readonly bytes: number }>>;
  readonly troubles: readonly Trouble[];
}

export function lookAtStore(vfs: Vfs, root: string): StoreInfo {
  const files = listStoreFiles(vfs, root);
  const look = new Look(vfs, root);
  const storeId = look.attempt(`${root}/format`, () => readStoreId(vfs, root));
  const anyId = storeId ?? new Uint8Array(16);
  const manifests = storeId === undefined ? [] : look.manifests(files, anyId);
  const segments = storeId === undefined ? [] : look.segments(files, anyId);
  const tail = look.attempt(`${root}/wal/TAIL`, () => readTail(vfs, `${root}/wal/TAIL`, anyId)) ?? [];
  const end = storeId === undefined ? undefined : look.logEnd(segments, anyId, newestTail(tail));
  const log = end && { ...end, ...unfolded(end, manifests, segments) };
  for (const { kind, path, name } of files)
    if (kind === "foreign") look.troubles.push({ file: path, message: `${name} is no file of a store` });
  if (!files.some(({ kind }) => kind === "manifest"))
    look.troubles.push({ file: root, message: "there is no manifest" });
  return {
    directory: root,
    ...(storeId === undefined ? {} : { storeId: uuidText(storeId) }),
    owner: ownerOf(vfs, root),
    manifests,
    segments: segments.map(({ info }) => info),
    tail: tail.map((slot) =>
      slot === undefined ? null : { segment: slot.segment, lsn: slot.lsn, end: slot.end },
    ),
    ...(log === undefined ? {} : { log }),
    files: countFiles(files),
    troubles: look.troubles,
  };
}

export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

interface LookedSegment {
  readonly info: SegmentInfo;
  readonly head: WalkedHead | undefined;
}

class Look {
  readonly #vfs: Vfs;
  readonly #root: string;
  readonly troubles: Trouble[] = [];

  constructor(vfs: Vfs, root: string) {
    this.#vfs = vfs;
    this.#root = root;
  }

  attempt<Value>(file: string, work: () => Value): Value | undefined {
    try {
      return work();
    } catch (error) {
      this.troubles.push({ file, message: toStoreError(error).message });
      return undefined;
    }
  }

  /** Newest first. */
  manifests(files: readonly StoreFile[], storeId: Uint8Array): ManifestInfo[] {
    const found = files.filter(({ kind }) => kind === "manifest").reverse();
    return found.map(({ path, bytes, number = 0 }) => {
      const manifest = this.attempt(path, () => readManifest(this.#vfs, this.#root, number, storeId));
      if (manifest === undefined) return { number, path, bytes, isWhole: false };
      const isWhole = this.attempt(path, () => {
        const view = SnapshotView.open(this.#vfs, this.#root, manifest);
        const { unreadable } = view;
        view.release();
        for (const { damage } of unreadable)
          this.troubles.push({ file: damage.file, message: damage.message });
        return unreadable.length === 0;
      });
      return { number, path, bytes, content: contentOf(manifest), isWhole: isWhole === true };
    });
  }

  segments(files: readonly StoreFile[], storeId: Uint8Array): LookedSegment[] {
    const place = { vfs: this.#vfs, directory: `${this.#root}/wal`, storeId };
    const found = files
      .filter(({ kind }) => kind === "segment")
      .sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
    const heads = found.map(({ path, number = 0 }) =>
      this.attempt(path, () => walkHead(place, number, undefined)),
    );
    const last = heads.findLastIndex((head) => head?.link !== undefined);
    return found.map(({ path, number = 0, bytes }, at) => {
      const head = heads[at];
      if (head?.problem !== undefined)
        this.troubles.push({ file: path, message: `${path}: ${head.problem}` });
      const active = Math.max(last, 0);
      const state =
        head?.header === undefined ? "unreadable" : at < active ? "sealed" : at > active ? "spare" : "active";
      const info: SegmentInfo = {
        number,
        path,
        bytes,
        state,
        ...(head?.header === undefined ? {} : { createdAt: new Date(head.header.createdAt).toISOString() }),
        ...(head?.link === undefined ? {} : { afterLsn: head.link.lsn }),
      };
      return { info, head };
    });
  }

  /** Reads the last segment that is in use. */
  logEnd(
    segments: readonly LookedSegment[],
    storeId: Uint8Array,
    tail: Tail | undefined,
  ): LogEnd | undefined {
    const active = segments.findLast(({ info }) => info.state === "active");
    if (active === undefined) return undefined;
    const place = { vfs: this.#vfs, directory: `${this.#root}/wal`, storeId };
    const { number, path } = active.info;
    const before = active.head?.link?.lsn;
    return this.attempt(path, () => {
      const walked = walkSegment(place, number, { salt: undefined, link: undefined, before });
      const hole = walked.holes[0];
      const lsn = walked.frames.at(-1)?.lsn ?? before ?? 0;
      if (hole?.behind !== undefined)
        this.troubles.push({ file: path, message: `${path}: no valid frame at ${hole.offset}` });
      return {
        segment: number,
        offset: walked.end,
        lsn,
        durableLsn: Math.max(walked.durable, tail?.lsn ?? 0, before ?? 0),
        isCleanClose: walked.isSealed,
        tornBytes: hole !== undefined && hole.behind === undefined ? hole.end - hole.offset : 0,
        ...(hole === undefined ? {} : { brokenAt: hole.offset }),
      };
    });
  }
}

/** Every LSN is a record. A sealed segment ends where the LINK of the next one says. */
function unfolded(
  { segment, lsn, offset }: LogEnd,
  manifests: readonly ManifestInfo[],
  segments: readonly LookedSegment[],
): Pick<LogEnd, "unfolded"> {
  const content = manifests.find((manifest) => manifest.content !== undefined)?.content;
  if (content === undefined || content.lsn > lsn) return {};
  const endOf = (number: number): number =>
    segments.find(({ info }) => info.number === number + 1)?.head?.link?.end ?? 0;
  const bytes = segments
    .filter(({ info: { number } }) => number >= content.logSegment && number <= segment)
    .reduce((sum, { info: { number } }) => sum + (number === segment ? offset : endOf(number)), 0);
  return { unfolded: { records: lsn - content.lsn, bytes } };
}

function contentOf({ heads, packs, deadBytes, log }: Manifest): NonNullable<ManifestInfo["content"]> {
  const sum = (entries: Manifest["heads"], field: "bytes" | "count"): number =>
    entries.reduce((total, entry) => total + entry[field], 0);
  return {
    headsFiles: heads.length,
    headsBytes: sum(heads, "bytes"),
    heads: sum(heads, "count"),
    packs: packs.length,
    packBytes: sum(packs, "bytes"),
    values: sum(packs, "count"),
    deadBytes,
    logSegment: log.segment,
    lsn: log.lsn,
  };
}

const KINDS: readonly FileKind[] = [
  "format",
  "lock",
  "manifest",
  "heads",
  "pack",
  "segment",
  "TAIL",
  "quarantine",
  "temporary",
  "recycled",
  "foreign",
];

function countFiles(files: readonly StoreFile[]): StoreInfo["files"] {
  const count = (kind: FileKind) => {
    const those = files.filter((file) => file.kind === kind);
    return { count: those.length, bytes: those.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
  return Object.fromEntries(KINDS.map((kind) => [kind, count(kind)])) as StoreInfo["files"];
}
