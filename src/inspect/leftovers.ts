/**
 * What a crash leaves and the next owner clears away: a torn tail, a TAIL that says nothing, files of jobs
 * that did not finish. No loss, so all of it is "repairable"; beside a live owner none of it is a finding.
 */
import type { Manifest } from "../snapshot/manifest.ts";
import { readWhole, type Vfs } from "../vfs/vfs.ts";
import { scanLog } from "../wal/log.ts";
import { decodeTail, TAIL_BYTES } from "../wal/tail.ts";
import type { StoreFile } from "./store-files.ts";
import { lookAtStore } from "./store-info.ts";
import type { Finding } from "./verify.ts";

const SLOTS_AT = [0, TAIL_BYTES / 2] as const;
const SLOT_BYTES = 64;

export interface LeftoverInput {
  readonly files: readonly StoreFile[];
  /** Valid ones, newest first. */
  readonly manifests: readonly Manifest[];
  /** The one an owner would go on from. */
  readonly chosen: Manifest;
  readonly storeId: Uint8Array;
  readonly mayBeLive: boolean;
}

export function findLeftovers(vfs: Vfs, root: string, input: LeftoverInput): Finding[] {
  if (input.mayBeLive) return [];
  return [...unfinishedFiles(input), ...tailFindings(vfs, root, input), ...tornTail(vfs, root, input)];
}

function unfinishedFiles({ files, manifests }: LeftoverInput): Finding[] {
  const [newest, previous] = manifests;
  const generations = [newest, previous].filter((manifest) => manifest !== undefined);
  const named = {
    heads: new Set(generations.flatMap(({ heads }) => heads.map(({ number }) => number))),
    pack: new Set(generations.flatMap(({ packs }) => packs.map(({ number }) => number))),
    manifest: new Set(generations.map(({ number }) => number)),
  };
  // A manifest that cannot be read was reported, and might name what seems left over.
  const isSure = files.filter(({ kind }) => kind === "manifest").length === manifests.length;
  return files.flatMap(({ path: file, kind, number = 0, bytes }) => {
    if (kind === "temporary")
      return [
        leftover(
          file,
          `${file} (${bytes} bytes) was left by a job that did not finish; the next owner removes it`,
        ),
      ];
    if (!isSure || (kind !== "heads" && kind !== "pack" && kind !== "manifest") || named[kind].has(number))
      return [];
    return [
      leftover(file, `${file} (${bytes} bytes) is needed by neither generation; the next owner removes it`),
    ];
  });
}

function tailFindings(vfs: Vfs, root: string, { files, storeId }: LeftoverInput): Finding[] {
  const file = `${root}/wal/TAIL`;
  const found = files.find(({ kind }) => kind === "TAIL");
  const finding = (message: string): Finding[] => [{ severity: "repairable", file, code: "TAIL", message }];
  if (found === undefined) return finding("TAIL is missing; the next owner makes it anew");
  if (found.bytes !== TAIL_BYTES)
    return finding(`TAIL has ${found.bytes} bytes instead of ${TAIL_BYTES}; the next owner makes it anew`);
  const bytes = readWhole(vfs, file, TAIL_BYTES) ?? new Uint8Array();
  return SLOTS_AT.flatMap((at) => {
    const slot = bytes.subarray(at, at + SLOT_BYTES);
    if (slot.every((byte) => byte === 0) || decodeTail(storeId, slot) !== undefined) return [];
    return finding(`the slot of TAIL at ${at} does not verify; the other one, or the log itself, counts`).map(
      (f) => ({ ...f, offset: at }),
    );
  });
}

/** As recovery sees it; where it sees damage instead, that was reported. */
function tornTail(vfs: Vfs, root: string, { storeId, chosen }: LeftoverInput): Finding[] {
  try {
    const { tornBytes } = scanLog(vfs, `${root}/wal`, storeId, chosen.log, undefined, () => {});
    if (tornBytes === 0) return [];
    const { log, segments } = lookAtStore(vfs, root);
    const file = segments.find(({ number }) => number === log?.segment)?.path ?? `${root}/wal`;
    const offset = log?.brokenAt === undefined ? {} : { offset: log.brokenAt };
    const message = `the log ends in a write of ${tornBytes} bytes that was never acknowledged; the next owner moves it to quarantine/`;
    return [{ severity: "repairable", file, ...offset, code: "TORN", message }];
  } catch {
    return [];
  }
}

function leftover(file: string, message: string): Finding {
  return { severity: "repairable", file, code: "LEFTOVER", message };
}
