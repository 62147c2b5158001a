/**
 * Cuts the power of one mounted file system: `FS_IOC_SHUTDOWN` makes it drop what it has not written and
 * refuse everything from then on, as ext4 and xfs do when their disk is gone. Node has no ioctl, so a small
 * perl or python waits with the directory open and does it the moment it is told.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { runTool } from "./mounts.ts";

/** _IOR('X', 125, __u32) on every machine Node runs on but MIPS, PowerPC and SPARC. */
const FS_IOC_SHUTDOWN = 0x8004587d;
/** With or without writing the journal that is still in memory: what a cut just before or after that leaves. */
export const SHUTDOWN_FLAGS = { logFlush: 1, noLogFlush: 2 } as const;
/** Milliseconds for the helper to start, and to cut. */
const HELPER_MS = 30_000;

const PERL = `use Fcntl; sysopen(my $d, $ARGV[0], O_RDONLY) or die "open: $!"; syswrite(STDOUT, "ready\\n");
sysread(STDIN, my $go, 1) or exit 0;
ioctl($d, ${FS_IOC_SHUTDOWN}, pack("L", $ARGV[1])) or die "ioctl: $!"; syswrite(STDOUT, "cut\\n");`;
const PYTHON = `import fcntl, os, struct, sys
d = os.open(sys.argv[1], os.O_RDONLY)
os.write(1, b"ready\\n")
if os.read(0, 1):
    fcntl.ioctl(d, ${FS_IOC_SHUTDOWN}, struct.pack("I", int(sys.argv[2])))
    os.write(1, b"cut\\n")`;

export type Interpreter = "perl" | "python3";

/** An interpreter that can do the ioctl; undefined when there is none. */
export function findInterpreter(): Interpreter | undefined {
  if (runTool("perl", "-e", "use Fcntl; pack('L', 1);").ok) return "perl";
  if (runTool("python3", "-c", "import fcntl, struct").ok) return "python3";
  return undefined;
}

/** Holds a mounted file system open, ready to cut it. */
export class Shutdown {
  readonly #helper: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<unknown>;
  #said = "";
  #errors = "";
  #woken: () => void = () => undefined;

  constructor(interpreter: Interpreter, mountPoint: string, flags: number) {
    const program = interpreter === "perl" ? ["-e", PERL] : ["-c", PYTHON];
    this.#helper = spawn(interpreter, [...program, mountPoint, String(flags)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#helper.stdin.on("error", () => undefined);
    this.#helper.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
      this.#woken();
    });
    this.#helper.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#ended = once(this.#helper, "close").then(() => this.#woken());
  }

  async ready(): Promise<void> {
    await this.#wait("ready");
  }

  /** Tells it to cut; the moment is at most a few hundred microseconds away when this returns. */
  trigger(): void {
    this.#helper.stdin.write("c");
  }

  /** Resolves when the file system is cut; throws why it could not be. */
  async done(): Promise<void> {
    await this.#wait("cut");
    await this.release();
  }

  /** Lets go without a cut. */
  async release(): Promise<void> {
    this.#helper.stdin.end();
    await this.#ended;
  }

  async #wait(word: string): Promise<void> {
    const deadline = Date.now() + HELPER_MS;
    while (!this.#said.includes(`${word}\n`)) {
      if (this.#helper.exitCode !== null || Date.now() > deadline)
        throw new Error(`the shutdown helper did not say "${word}": ${this.#errors.trim()}`);
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, HELPER_MS);
        this.#woken = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
  }
}
