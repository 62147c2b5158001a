/** The process whose memory `many-sessions` measures: it opens a store and does nothing with it. */
import { openStore, type StoreOptions } from "../../src/index.ts";
import { answerApart, rssMib } from "./apart.ts";

export interface Opening {
  readonly directory: string;
  readonly options: StoreOptions;
}
export interface Opened {
  readonly millis: number;
  /** Of the process, before the store was opened and with it open. */
  readonly beforeMib: number;
  readonly openMib: number;
  /** Commits that were replayed, and whether the owner before had closed the store. */
  readonly replayed: number;
  readonly cleanClose: boolean;
}

answerApart(async ({ directory, options }: Opening): Promise<Opened> => {
  const beforeMib = rssMib();
  const started = performance.now();
  const store = await openStore(directory, options);
  const millis = performance.now() - started;
  const openMib = rssMib();
  const { replayedRecords, cleanClose } = store.recovery;
  await store.close();
  return { millis, beforeMib, openMib, replayed: replayedRecords, cleanClose };
});
