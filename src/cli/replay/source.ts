/**
 * Where the turns of a session come from: transcripts, or the generator. A source is a pure function: turn
 * `n` of session `s` is the same in every run, so that what was sent can be derived again from a revision.
 */
import { GeneratedTurns } from "./generator.ts";
import { isObject, type JsonObject, type Transcript } from "./transcript.ts";

/**
 * Which rules turn an input into commits. Raised whenever the generator, the mapping, the script or the
 * random numbers change: a store recorded by other rules is then named as such instead of called damaged.
 */
const SCRIPT_VERSION = 1;

export interface SourceEntry {
  readonly type: string;
  readonly raw: JsonObject;
  /** Unique in the session. */
  readonly key: string;
  /** Key of the entry it follows; null = it is a root; absent = it follows what the session sent last. */
  readonly parentKey: string | null | undefined;
}

export interface Turn {
  readonly entries: readonly SourceEntry[];
  /** The input ends here; the next turn begins it anew. Never true of generated turns. */
  readonly endsLap: boolean;
}

/** What the first lines say about a session. */
export interface SessionFacts {
  readonly cwd: string;
  readonly createdAt: string;
  readonly provider: string;
  readonly model: string;
}

export interface Source {
  readonly kind: "generator" | "transcripts";
  /** Names the input and its content; stored with each session. */
  title(session: number): string;
  facts(session: number): SessionFacts;
  /** Turns count from 0 and never end. Sessions count from 1. */
  turn(session: number, number: number): Turn;
}

export function generatedSource(seed: number): Source {
  const turns = new GeneratedTurns(seed);
  return {
    kind: "generator",
    title: () => `generator seed ${seed} v${SCRIPT_VERSION}`,
    facts: (session) => turns.facts(session),
    turn: (session, number) => ({ entries: turns.entries(session, number), endsLap: false }),
  };
}

/** Sessions take the transcripts in turn. Each must have at least one entry. */
export function transcriptSource(transcripts: readonly [Transcript, ...Transcript[]]): Source {
  const inputs = transcripts.map((transcript) => ({ transcript, turns: splitTurns(transcript) }));
  const inputOf = (session: number) => {
    const input = inputs[(session - 1) % inputs.length];
    if (input === undefined) throw new Error(`session ${session} has no input`);
    return input;
  };
  return {
    kind: "transcripts",
    title: (session) => {
      const { file, fingerprint } = inputOf(session).transcript;
      return `${file.split(/[\\/]/).at(-1)} ${fingerprint} v${SCRIPT_VERSION}`;
    },
    facts: (session) => factsOf(inputOf(session).transcript),
    turn: (session, number) => {
      const { transcript, turns } = inputOf(session);
      const lap = Math.floor(number / turns.length) + 1;
      const at = number % turns.length;
      const entries = (turns[at] ?? []).map((index) => lapEntry(transcript, index, lap));
      return { entries, endsLap: at === turns.length - 1 };
    },
  };
}

function lapEntry(transcript: Transcript, index: number, lap: number): SourceEntry {
  const entry = transcript.entries[index];
  if (entry === undefined) throw new Error(`transcript has no entry ${index}`);
  return {
    type: entry.type,
    raw: entry.raw,
    key: `${lap}.${index + 1}`,
    parentKey: parentKeyOf(entry.parent, index, lap),
  };
}

/** A later lap goes on where the one before it ended, so the first entry follows whatever there is. */
function parentKeyOf(parent: number | undefined, index: number, lap: number): string | null | undefined {
  if (index === 0 || parent === index - 1) return undefined;
  return parent === undefined ? null : `${lap}.${parent + 1}`;
}

/** Indices of entries by turn. A turn begins with a prompt, together with the changes made just before it. */
function splitTurns(transcript: Transcript): number[][] {
  const turns: number[][] = [];
  let open: number[] = [];
  let sinceMessage = 0;
  transcript.entries.forEach((entry, index) => {
    const isMessage = entry.type === "message";
    if (isMessage && isObject(entry.raw.message) && entry.raw.message.role === "user") {
      const changes = open.splice(open.length - sinceMessage);
      if (open.length > 0) turns.push(open);
      open = changes;
    }
    open.push(index);
    sinceMessage = isMessage ? 0 : sinceMessage + 1;
  });
  if (open.length > 0) turns.push(open);
  return turns;
}

function factsOf(transcript: Transcript): SessionFacts {
  const header = transcript.header ?? {};
  const text = (key: string) => (typeof header[key] === "string" ? header[key] : "");
  return {
    cwd: text("cwd"),
    createdAt: text("timestamp"),
    provider: text("provider") || "unknown",
    model: text("modelId") || "unknown",
  };
}
