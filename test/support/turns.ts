/**
 * A clock and a file system that know each other: what a store reads, writes and opens on the main thread is
 * counted by the turn of the event loop in which it does so. Counts work and no time, so it says the same on
 * every machine. The tasks of a store in memory run in turns of their own ("worker", "log"); on a disk those are
 * threads.
 */
import { type Clock, systemClock, type TurnTaker } from "../../src/clock.ts";
import type { OpenMode, Vfs, VfsFile } from "../../src/vfs/vfs.ts";
import { ForwardingVfs, forwardFile } from "./forwarding-vfs.ts";

export interface Turn {
  /** Who asked for it; "call" is what happens before any turn was asked for. */
  readonly taker: TurnTaker | "call";
  read: number;
  written: number;
  readonly opened: string[];
}

export class CountedTurns extends ForwardingVfs {
  readonly turns: Turn[] = [newTurn("call")];
  /** Called at the beginning of each turn, before what was asked for. */
  onTurn: ((taker: TurnTaker, count: number) => void) | undefined;
  readonly clock: Clock;

  constructor(inner: Vfs) {
    super(inner);
    const turn: Clock["turn"] = (taker, fn) =>
      systemClock.turn(taker, () => {
        this.turns.push(newTurn(taker));
        this.onTurn?.(taker, this.turns.length - 1);
        fn();
      });
    this.clock = { ...systemClock, turn };
  }

  /** Turns in which the main thread itself worked, on a disk as well. */
  get ofMainThread(): Turn[] {
    return this.turns.filter(({ taker }) => taker !== "worker" && taker !== "log");
  }

  override open(path: string, mode: OpenMode): VfsFile {
    this.#now.opened.push(path);
    const file = super.open(path, mode);
    return forwardFile(file, {
      read: (target, position) => {
        const read = file.read(target, position);
        this.#now.read += read;
        return read;
      },
      write: (parts, position) => {
        this.#now.written += parts.reduce((sum, part) => sum + part.byteLength, 0);
        file.write(parts, position);
      },
    });
  }

  get #now(): Turn {
    const turn = this.turns.at(-1);
    if (turn === undefined) throw new Error("there is always a turn");
    return turn;
  }
}

function newTurn(taker: Turn["taker"]): Turn {
  return { taker, read: 0, written: 0, opened: [] };
}
