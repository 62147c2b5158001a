/**
 * A process without standard input and output that opens files of a store, then tells in `report` which
 * descriptors a plain open got before, which of 0 and 1 are still free, and what the file holds.
 */
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { diskVfs } from "../../src/vfs/disk.ts";

const directory = process.argv[2] ?? "";
closeSync(0);
closeSync(1);
const plain = openSync(`${directory}/plain`, "w");
closeSync(plain);
const file = diskVfs.open(`${directory}/file`, "create");
file.write([new TextEncoder().encode("store")], 0);
diskVfs.syncDirectory(directory);
const freeAfterwards = [openSync(`${directory}/plain`, "r"), openSync(`${directory}/plain`, "r")];
const content = readFileSync(`${directory}/file`, "utf8");
writeFileSync(`${directory}/report`, JSON.stringify({ plain, freeAfterwards, content }));
