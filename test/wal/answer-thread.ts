/** The thread of `answer-ring.test.ts`: gives answers as the log's thread does, as fast as they are taken. */
import { type MessagePort, workerData } from "node:worker_threads";
import { AnswerRing, AnswerSender } from "../../src/wal/answer-ring.ts";
import type { Answer } from "../../src/wal/drain.ts";
import { Word } from "../../src/wal/words.ts";

/** The answer of that number. */
export function answerAt(number: number): Answer {
  if (number % 11 === 5) return { kind: "slowSync", durationMs: number };
  if (number % 13 === 6) return { kind: "notRolled" };
  return { kind: "batch", frames: (number % 4096) + 1, segment: number, offset: number * 8, room: -number };
}

interface Data {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly port: MessagePort;
  readonly count: number;
}

function run({ buffer, words, port, count }: Data): void {
  const sender = new AnswerSender(new AnswerRing(buffer, words), words, port);
  for (let number = 0; number < count; ) {
    const generation = Atomics.load(words, Word.logWake);
    Atomics.store(words, Word.logAsleep, 1);
    if (!sender.hasRoom) Atomics.wait(words, Word.logWake, generation);
    Atomics.store(words, Word.logAsleep, 0);
    // Some at a time, and now and then a pause in which the ring runs empty.
    if (sender.hasRoom) sender.send(answerAt(number++));
    if (number % 97 === 0) for (const until = performance.now() + 0.05; performance.now() < until; );
  }
}

// One checked edge: the data is what the test started this with; the test itself imports it without any.
if (workerData?.buffer !== undefined) run(workerData as Data);
