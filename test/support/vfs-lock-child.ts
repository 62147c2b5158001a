/** A process that tries to lock a file, says "locked" or "refused", and holds on until it is killed. */
import { diskVfs } from "../../src/vfs/disk.ts";

const file = diskVfs.open(process.argv[2] ?? "", "write");
process.stdout.write(file.tryLock() ? "locked\n" : "refused\n");
// Long enough for any test; the test kills the process.
setTimeout(() => file.close(), 600_000);
