/**
 * Verifies a store from outside, live or closed, without its lock and without writing. A finding is
 * "repairable" when the next owner mends it by itself and nothing acknowledged is lost, and "damaged" when
 * opening would be refused or something could not be read.
 *
 * 1. Beside a live owner, what its work leaves for a moment is no finding; and if a publication came
 *    in between, what was found is not believed before it was found again.
 */
import { chooseGeneration, listManifests } from "../actors/generations.ts";
import type { VerifyProblem } from "../contract.ts";
import { isStoreError, type StoreErrorCode, toStoreError } from "../errors.ts";
import { checkSnapshot } from "../snapshot/check.ts";
import { checkGenerations } from "../snapshot/check-generations.ts";
import { checkLightly } from "../snapshot/check-lightly.ts";
import { type Manifest, manifestPath, readManifest } from "../snapshot/manifest.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { verifyLog } from "../wal/log.ts";
import { walkLog } from "../wal/walk.ts";
import { flippedBitAt } from "./flipped.ts";
import { findLeftovers } from "./leftovers.ts";
import { type OwnerInfo, ownerOf } from "./owner.ts";
import { listStoreFiles, type StoreFile } from "./store-files.ts";
import { identifyStore } from "./store-id.ts";

export interface Finding {
  readonly severity: "repairable" | "damaged";
  readonly file: string;
  readonly offset?: number;
  readonly sessionId?: string;
  readonly code: StoreErrorCode | "LEFTOVER" | "TORN" | "TAIL" | "GENERATION";
  readonly message: string;
  readonly flippedBit?: { readonly offset: number; readonly bit: number };
}

export interface StoreVerdict {
  readonly directory: string;
  readonly verdict: "clean" | "repairable" | "damaged";
  readonly isDeep: boolean;
  readonly owner: OwnerInfo;
  /** Number of the manifest that an owner would go on from. */
  readonly manifest?: number;
  readonly findings: readonly Finding[];
}

/** Times a live store is verified again because it went on meanwhile. */
const MAX_ATTEMPTS = 5;

export interface VerifyStoreOptions {
  /** Read and hash everything, of both generations, and replay the log between them. */
  readonly deep: boolean;
}

/** Throws NOT_A_STORE and FORMAT_UNSUPPORTED; everything else is a finding. */
export function verifyStore(vfs: Vfs, root: string, options: VerifyStoreOptions): StoreVerdict {
  for (let attempt = 1; ; attempt++) {
    const before = newestManifest(vfs, root);
    const verdict = verifyOnce(vfs, root, options);
    const isSettled = verdict.findings.length === 0 || newestManifest(vfs, root) === before;
    if (isSettled || attempt === MAX_ATTEMPTS) return verdict;
  }
}

function newestManifest(vfs: Vfs, root: string): number {
  return vfs.stat(root)?.kind === "directory" ? (listManifests(vfs, root)[0] ?? 0) : 0;
}

function verifyOnce(vfs: Vfs, root: string, { deep }: VerifyStoreOptions): StoreVerdict {
  const files = listStoreFiles(vfs, root);
  const owner = ownerOf(vfs, root);
  const check = new Check(vfs, root, files, deep);
  const storeId = check.identify();
  const chosen = storeId === undefined ? undefined : check.generations(storeId);
  if (storeId !== undefined && chosen !== undefined) {
    check.log(chosen);
    const mayBeLive = owner.state === "open" || owner.state === "perhaps";
    const leftovers = findLeftovers(vfs, root, {
      files,
      manifests: check.manifests,
      chosen,
      storeId,
      mayBeLive,
    });
    check.findings.push(...leftovers);
  }
  const findings = check.findings.map((finding) => withBit(vfs, files, finding));
  const isDamaged = findings.some(({ severity }) => severity === "damaged");
  return {
    directory: root,
    verdict: isDamaged ? "damaged" : findings.length > 0 ? "repairable" : "clean",
    isDeep: deep,
    owner,
    ...(chosen === undefined ? {} : { manifest: chosen.number }),
    findings,
  };
}

class Check {
  readonly findings: Finding[] = [];
  /** Valid ones, newest first. */
  readonly manifests: Manifest[] = [];
  readonly #vfs: Vfs;
  readonly #root: string;
  readonly #files: readonly StoreFile[];
  readonly #deep: boolean;

  constructor(vfs: Vfs, root: string, files: readonly StoreFile[], deep: boolean) {
    this.#vfs = vfs;
    this.#root = root;
    this.#files = files;
    this.#deep = deep;
  }

  identify(): Uint8Array | undefined {
    try {
      const { storeId, problem } = identifyStore(this.#vfs, this.#root);
      if (problem !== undefined) this.#add("damaged", problemOf(problem, `${this.#root}/format`));
      return storeId;
    } catch (error) {
      if (isStoreError(error, "FORMAT_UNSUPPORTED")) throw error;
      this.#add("damaged", problemOf(error, `${this.#root}/format`));
      return undefined;
    }
  }

  /** The generation an owner would choose, checked; the others are its second copy. */
  generations(storeId: Uint8Array): Manifest | undefined {
    const numbers = this.#files.flatMap(({ kind, number }) =>
      kind === "manifest" && number !== undefined ? [number] : [],
    );
    const unusable: VerifyProblem[] = [];
    for (const number of numbers.sort((a, b) => b - a)) {
      try {
        this.manifests.push(readManifest(this.#vfs, this.#root, number, storeId));
      } catch (error) {
        if (isStoreError(error, "FORMAT_UNSUPPORTED")) throw error;
        unusable.push(problemOf(error, manifestPath(this.#root, number)));
      }
    }
    const chosen = this.#choose(storeId);
    for (const problem of unusable) this.#add(chosen === undefined ? "damaged" : "repairable", problem);
    if (numbers.length === 0) {
      const message = `${this.#root} has no manifest, but holds files that only a store with one has`;
      this.#add("damaged", { file: manifestPath(this.#root, 1), code: "CORRUPT", message });
    }
    if (chosen === undefined) return undefined;
    for (const problem of this.#check(chosen)) this.#add("damaged", problem);
    this.#checkOthers(chosen);
    return chosen;
  }

  /** The log from where the chosen generation ends; and from where older ones do, which only they need. */
  log(chosen: Manifest): void {
    const directory = `${this.#root}/wal`;
    // A deep check has read the log already, and replayed it.
    if (!this.#deep)
      for (const problem of verifyLog(this.#vfs, directory, chosen.storeId, chosen.log))
        this.#add("damaged", problem);
    for (const manifest of this.manifests) {
      if (manifest.log.lsn >= chosen.log.lsn) continue;
      for (const problem of verifyLog(this.#vfs, directory, chosen.storeId, manifest.log))
        this.#add("repairable", problem);
    }
  }

  /** As an owner would; undefined when no manifest can be read, which was found. */
  #choose(storeId: Uint8Array): Manifest | undefined {
    if (this.manifests.length === 0) return undefined;
    const { view, manifest } = chooseGeneration(this.#vfs, this.#root, storeId);
    view.release();
    return manifest;
  }

  #check(manifest: Manifest): VerifyProblem[] {
    const input = { root: this.#root, manifest };
    try {
      return this.#deep ? checkSnapshot(this.#vfs, input) : checkLightly(this.#vfs, input);
    } catch (error) {
      return [problemOf(error, manifestPath(this.#root, manifest.number))];
    }
  }

  #checkOthers(chosen: Manifest): void {
    const newer = this.manifests.filter(({ number }) => number > chosen.number);
    for (const manifest of newer)
      for (const problem of this.#check(manifest)) this.#add("repairable", problem);
    const older = this.manifests.find(({ number }) => number < chosen.number);
    if (older === undefined) {
      if (chosen.number === 1) return;
      const file = manifestPath(this.#root, chosen.number);
      const message = "there is no older generation to fall back to until the next snapshot";
      return this.#add("repairable", { file, code: "GENERATION", message });
    }
    const known = this.findings.length;
    for (const problem of this.#check(older)) this.#add("repairable", problem);
    if (!this.#deep || this.findings.length > known) return;
    const isSound = !this.findings.some(({ severity }) => severity === "damaged");
    if (!isSound) return;
    for (const problem of checkGenerations(this.#vfs, this.#root, older, chosen))
      this.#add("damaged", problem);
  }

  #add(severity: Finding["severity"], found: Omit<Finding, "severity">): void {
    const isKnown = this.findings.some(
      ({ file, offset, sessionId, message }) =>
        file === found.file &&
        offset === found.offset &&
        sessionId === found.sessionId &&
        message === found.message,
    );
    if (!isKnown) this.findings.push({ severity, ...found });
  }
}

function problemOf(error: unknown, file: string): VerifyProblem {
  const { message, ...known } = { ...toStoreError(error), message: toStoreError(error).message };
  if (known.code === "CORRUPT") {
    const offset = known.offset === undefined ? {} : { offset: known.offset };
    const session = known.sessionId === undefined ? {} : { sessionId: known.sessionId };
    return { file: known.file, ...offset, ...session, code: known.code, message };
  }
  return { file: known.code === "STORE_IO" ? known.path : file, code: known.code, message };
}

function withBit(vfs: Vfs, files: readonly StoreFile[], finding: Finding): Finding {
  const file = files.find(({ path }) => path === finding.file);
  if (file === undefined || finding.offset === undefined || finding.code !== "CORRUPT") return finding;
  const flippedBit =
    file.kind === "segment" ? bitInLog(vfs, file, finding.offset) : flippedBitAt(vfs, file, finding.offset);
  return flippedBit === undefined ? finding : { ...finding, flippedBit };
}

function bitInLog(vfs: Vfs, { path, number }: StoreFile, offset: number): Finding["flippedBit"] {
  try {
    const directory = path.slice(0, path.lastIndexOf("/"));
    const { storeId } = identifyStore(vfs, directory.slice(0, directory.lastIndexOf("/")));
    for (const segment of walkLog({ vfs, directory, storeId })) {
      if (segment.number !== number) continue;
      return segment.holes.find((hole) => hole.offset === offset)?.flippedBit;
    }
  } catch {
    // The finding stands without it.
  }
  return undefined;
}
