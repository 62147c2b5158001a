/** Commands of `scheduledModelRun` that make calls and await none; each prints as what it calls. */
import fc from "fast-check";

/** The races keep their own models: these commands decide with them while they run. */
export type NoModel = Record<string, never>;

export class Call<Race> implements fc.AsyncCommand<NoModel, Race> {
  readonly #name: string;
  readonly #make: (race: Race) => void;

  constructor(name: string, make: (race: Race) => void) {
    this.#name = name;
    this.#make = make;
  }

  check(): boolean {
    return true;
  }

  make(race: Race): void {
    this.#make(race);
  }

  /** Nothing is awaited: the scheduler takes no other turn before a command has ended. */
  async run(_model: NoModel, race: Race): Promise<void> {
    this.#make(race);
  }

  toString(): string {
    return this.#name;
  }
}

/** Most commands one run has. */
const MAX_COMMANDS = 12;

/** Some calls, each in a turn of its own or a few in one turn, which is how much comes to be in flight. */
export function callsOf<Race>(
  calls: readonly fc.Arbitrary<Call<Race>>[],
): fc.Arbitrary<Iterable<fc.AsyncCommand<NoModel, Race>>> {
  const one = fc.oneof(...calls);
  const burst = fc
    .array(one, { minLength: 2, maxLength: 4 })
    .map((made) => new Call<Race>(made.join(" + "), (race) => made.forEach((call) => void call.make(race))));
  return fc.commands<NoModel, Race, false>([one, burst], { maxCommands: MAX_COMMANDS, size: "max" });
}

/** Calls that a race has made: all are to be answered, and what a check of an answer found is kept. */
export class OpenCalls {
  readonly #failures: unknown[] = [];
  #count = 0;

  add(checked: Promise<unknown>): void {
    this.#count++;
    checked
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => {
        this.#count--;
      });
  }

  /** Throws unless every call is answered, and well. Call when no turn is left. */
  check(): void {
    if (this.#failures.length > 0) throw this.#failures[0];
    if (this.#count > 0) throw new Error(`no turn is left, and ${this.#count} calls are not answered`);
  }
}
