/**
 * The files of a view, each open once however many views share it, or known to be unreadable. What is in them is
 * not this file's business.
 *
 * 1. A file that was opened is closed with the last view that has it.
 * 2. Damage to one file is told with that file; a failure to read it now ends the opening.
 */
import { isStoreError, type StoreErrorOf, storeError } from "../errors.ts";
import type { Steps } from "../steps.ts";
import { isMissingFile } from "../vfs/vfs.ts";
import type { HeadsFileReader } from "./heads-file.ts";
import type { FileEntry } from "./manifest.ts";
import type { PackReader } from "./pack.ts";

/** An open file and how many views have it. */
export interface Shared<Reader> {
  readonly reader: Reader;
  users: number;
}

/** A file of the manifest that cannot be read, and why. */
export interface UnreadableFile {
  readonly number: number;
  readonly damage: StoreErrorOf<"CORRUPT">;
}

/** A file of a view: open, or unreadable. */
export type Slot<Reader> = Shared<Reader> | UnreadableFile;

/**
 * Slots for these files, shared with those known, one opened a step; every one that is in use is entered in
 * `opened`.
 */
export function* openSlots<Reader extends HeadsFileReader | PackReader>(
  opened: Shared<HeadsFileReader | PackReader>[],
  entries: readonly FileEntry[],
  known: readonly Slot<Reader>[],
  make: (entry: FileEntry) => Reader,
): Steps<Slot<Reader>[]> {
  const byNumber = new Map(readable(known).map((shared) => [shared.reader.number, shared]));
  const slots: Slot<Reader>[] = [];
  for (const entry of entries) {
    const shared = byNumber.get(entry.number);
    if (shared === undefined && opened.length > 0) yield;
    const slot = shared ?? openSlot(entry.number, () => make(entry));
    slots.push(slot);
    if (isUnreadable(slot)) continue;
    slot.users++;
    opened.push(slot);
  }
  return slots;
}

export function isUnreadable(slot: Slot<unknown>): slot is UnreadableFile {
  return "damage" in slot;
}

export function readable<Reader>(slots: readonly Slot<Reader>[]): Shared<Reader>[] {
  return slots.filter((slot): slot is Shared<Reader> => !isUnreadable(slot));
}

function openSlot<Reader>(number: number, make: () => Reader): Slot<Reader> {
  try {
    return { reader: make(), users: 0 };
  } catch (error) {
    const damage = damageOf(error);
    if (damage === undefined) throw error;
    return { number, damage };
  }
}

/** A file that is damaged or missing, as opposed to one that cannot be read now. */
export function damageOf(error: unknown): StoreErrorOf<"CORRUPT"> | undefined {
  if (isStoreError(error, "CORRUPT")) return error;
  if (!isMissingFile(error)) return undefined;
  const { path } = error;
  return storeError("CORRUPT", { file: path }, `${path} is missing; restore it from a copy`, error);
}

/** Closes the file with its last view. */
export function unshare(shared: Shared<HeadsFileReader | PackReader>): void {
  if (--shared.users === 0) shared.reader.close();
}
