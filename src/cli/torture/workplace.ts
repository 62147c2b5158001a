/**
 * The directory that is tortured: taken for this run alone, emptied of what earlier runs left, and removed
 * again. It deliberately never removes or opens what it did not make.
 *
 * 1. A directory is taken only if it is new or empty, or carries the mark and holds nothing but our own names.
 * 2. The mark is locked for the whole run; a store below that has an owner is never touched.
 * 3. Evidence of a failure is kept, by this run and by later ones.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { diskVfs } from "../../vfs/disk.ts";
import type { VfsFile } from "../../vfs/vfs.ts";
import { CommandError, EXIT, UsageError } from "../command.ts";
import { unmount } from "./mounts.ts";

const MARK = "varve-torture";
const MARK_TEXT = "Made by `varve torture`; everything in this directory may be removed.\n";
/** What runs leave here: stores, copies, images and mount points. */
const OURS = /^(varve-torture|(kill|strace|power|full)[a-z0-9.-]*|evidence-[a-z0-9-]+)$/;
const EVIDENCE = /^evidence-/;

export class Workplace {
  readonly directory: string;
  readonly #mark: VfsFile;
  readonly #isOurs: boolean;

  private constructor(directory: string, mark: VfsFile, isOurs: boolean) {
    this.directory = directory;
    this.#mark = mark;
    this.#isOurs = isOurs;
  }

  /** Takes `directory`, or a new temporary one. */
  static take(directory: string | undefined): Workplace {
    if (directory === undefined) return Workplace.#own(mkdtempSync(join(tmpdir(), "varve-torture-")), true);
    const path = resolve(directory);
    const isNew = !existsSync(path);
    if (isNew) mkdirSync(path, { recursive: true });
    else checkOurs(path);
    return Workplace.#own(path, isNew);
  }

  static #own(directory: string, isOurs: boolean): Workplace {
    const path = join(directory, MARK);
    if (!existsSync(path)) writeFileSync(path, MARK_TEXT);
    const mark = diskVfs.open(path, "write");
    try {
      if (!mark.tryLock())
        throw new CommandError(EXIT.busy, `${directory} is being tortured by another process`);
      const workplace = new Workplace(directory, mark, isOurs);
      workplace.#clear();
      return workplace;
    } catch (error) {
      mark.close();
      throw error;
    }
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Replaces `target` by a copy of `source`, so that a failure can be looked at as the crash left it. */
  copy(source: string, target: string): void {
    rmSync(target, { recursive: true, force: true });
    if (existsSync(source)) cpSync(source, target, { recursive: true });
    else mkdirSync(target);
  }

  /** Keeps a copy made before the check that failed, and what was known then. */
  keepEvidence(technique: string, copy: string, known: unknown): string {
    const name = `evidence-${technique.replaceAll(/[^a-z0-9]+/g, "-")}-${Date.now()}`;
    const target = this.path(name);
    mkdirSync(target);
    if (existsSync(copy)) cpSync(copy, join(target, "store"), { recursive: true });
    writeFileSync(join(target, "known.json"), `${JSON.stringify(known, null, 2)}\n`);
    return target;
  }

  /** Removes what this run made; evidence stays. */
  leave(): void {
    this.#clear();
    this.#mark.close();
    rmSync(join(this.directory, MARK), { force: true });
    if (this.#isOurs && readdirSync(this.directory).length === 0) rmSync(this.directory, { recursive: true });
  }

  #clear(): void {
    for (const name of readdirSync(this.directory)) {
      if (name === MARK || EVIDENCE.test(name)) continue;
      const path = this.path(name);
      unmount(path);
      checkOwnerless(path);
      rmSync(path, { recursive: true, force: true });
    }
  }
}

function checkOurs(path: string): void {
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    throw new UsageError(`${path} is no directory that can be read: ${(error as Error).message}`);
  }
  if (names.length > 0 && !names.includes(MARK))
    throw new UsageError(
      `${path} holds ${JSON.stringify(names[0])}, which varve torture did not make; name a new or empty directory`,
    );
  const foreign = names.find((name) => !OURS.test(name));
  if (foreign !== undefined)
    throw new UsageError(`${path} holds ${JSON.stringify(foreign)}, which varve torture did not make`);
}

/** A store below `path` may still be open in a process that an earlier run left behind. */
function checkOwnerless(path: string): void {
  for (const candidate of [path, join(path, "store")]) {
    const format = join(candidate, "format");
    if (!existsSync(format)) continue;
    const file = diskVfs.open(format, "write");
    try {
      if (!file.tryLock())
        throw new CommandError(EXIT.busy, `${candidate} is owned by a running process; end it first`);
    } finally {
      file.close();
    }
  }
}
