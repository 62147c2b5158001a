/**
 * Makes up turns when no transcript is given. Their sizes follow a real coding session of 1,019 lines:
 * the tables below are quantiles of its texts, tool arguments, tool results and tool rounds; the words are
 * invented. Turn `n` of session `s` depends on the seed, `s` and `n` only.
 */
import { hash32, type Quantiles, Random } from "./random.ts";
import type { SessionFacts, SourceEntry } from "./source.ts";
import type { JsonObject } from "./transcript.ts";
import { slicer } from "./words.ts";

/** Characters of a prompt. */
const PROMPT: Quantiles = [
  [0, 1],
  [0.1, 8],
  [0.25, 34],
  [0.5, 79],
  [0.75, 114],
  [0.9, 204],
  [0.95, 303],
  [1, 2023],
];
/** Characters of what the model says. */
const ANSWER: Quantiles = [
  [0, 7],
  [0.1, 26],
  [0.25, 46],
  [0.5, 97],
  [0.75, 248],
  [0.9, 562],
  [0.99, 1401],
  [1, 2096],
];
/** Characters of a tool call's arguments. */
const ARGUMENTS: Quantiles = [
  [0, 21],
  [0.1, 65],
  [0.25, 85],
  [0.5, 98],
  [0.75, 523],
  [0.9, 1155],
  [0.99, 3670],
  [1, 9479],
];
/** Characters of a tool's result. */
const RESULT: Quantiles = [
  [0, 7],
  [0.1, 14],
  [0.25, 85],
  [0.5, 114],
  [0.75, 474],
  [0.9, 1552],
  [0.99, 6894],
  [1, 43245],
];
/** Tool rounds of a turn; the real session's longest had 72, which would drown the other turns here. */
const ROUNDS: Quantiles = [
  [0, 0],
  [0.25, 0],
  [0.5, 2],
  [0.75, 4],
  [0.9, 8],
  [0.95, 12],
  [1, 24],
];

/** Share of tool rounds in which the model also says something (170 of 368). */
const TALKATIVE = 0.46;
/** Share of tool rounds with several calls at once. */
const PARALLEL = 0.02;
/** Share of turns before which the user changes the model or the thinking level. */
const CHANGE = 0.06;
/** Shares of turns with an image in the prompt, a thinking part in the answer, a compaction before it. */
const IMAGE = 0.01;
const THINKING = 0.05;
const COMPACTION = 0.02;
/** Share of turns the user stops after a tool round: they have no last word. */
const STOPPED = 0.03;
/** Bytes of an image: a cut-out of a screen. */
const IMAGE_BYTES = { low: 2_000, high: 24_000 };
/** Characters per token, as providers quote it. */
const TOKEN = 4;
/** Tokens of system prompt and tool definitions, cached from the first turn on. */
const PREAMBLE_TOKENS = 4_000;
const CONTEXT_TOKENS = 200_000;

const MODELS = ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5.1-codex"] as const;
const LEVELS = ["off", "minimal", "low", "medium", "high"] as const;
const TOOLS = ["read", "bash", "edit", "write", "grep"] as const;
/** Turns for which a model is kept. */
const TRIAL_TURNS = 12;
const EPOCH = Date.UTC(2026, 0, 5, 8);
const MINUTE = 60_000;

export class GeneratedTurns {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  facts(session: number): SessionFacts {
    const createdAt = new Date(EPOCH + session * MINUTE).toISOString();
    const cwd = `/home/dev/project-${(session % 12) + 1}`;
    return { cwd, createdAt, provider: "anthropic", model: MODELS[0] };
  }

  entries(session: number, turn: number): readonly SourceEntry[] {
    return new TurnBuilder(this.#seed, session, turn).build();
  }
}

class TurnBuilder {
  readonly #random: Random;
  readonly #text: (length: number) => string;
  readonly #session: number;
  readonly #turn: number;
  readonly #entries: SourceEntry[] = [];
  #time: number;
  #contextTokens: number;

  constructor(seed: number, session: number, turn: number) {
    this.#random = new Random(hash32("turn", seed, session, turn));
    this.#text = slicer(this.#random);
    this.#session = session;
    this.#turn = turn;
    this.#time = EPOCH + session * MINUTE + turn * 7 * MINUTE;
    this.#contextTokens = PREAMBLE_TOKENS + ((turn * 2_400) % (CONTEXT_TOKENS - 30_000));
  }

  build(): readonly SourceEntry[] {
    this.#changes();
    this.#prompt();
    const rounds = this.#random.quantile(ROUNDS);
    for (let round = 0; round < rounds; round++) this.#toolRound(round);
    if (rounds > 0 && this.#random.chance(STOPPED)) return this.#entries;
    const thinking = this.#random.chance(THINKING) ? [this.#thinking()] : [];
    this.#assistant([...thinking, this.#part(ANSWER)], "stop");
    return this.#entries;
  }

  #changes(): void {
    const random = this.#random;
    if (random.chance(CHANGE)) this.#push("thinking_level_change", { thinkingLevel: random.pick(LEVELS) });
    if (random.chance(CHANGE / 2)) {
      this.#push("model_change", { provider: "anthropic", modelId: random.pick(MODELS) });
    }
    if (!random.chance(COMPACTION)) return;
    const tokensBefore = this.#contextTokens;
    this.#push("compaction", { summary: this.#text(random.integer(600, 4_000)), tokensBefore });
  }

  #prompt(): void {
    const content: JsonObject[] = [this.#part(PROMPT)];
    if (this.#random.chance(IMAGE)) content.push(this.#image());
    this.#push("message", { message: { role: "user", content, timestamp: this.#time } });
  }

  #toolRound(round: number): void {
    const random = this.#random;
    const calls = random.chance(PARALLEL) ? random.integer(2, 4) : 1;
    const parts: JsonObject[] = random.chance(TALKATIVE) ? [this.#part(ANSWER)] : [];
    const results: JsonObject[] = [];
    for (let call = 0; call < calls; call++) {
      const id = `toolu_${hash32(this.#session, this.#turn, round, call).toString(36)}`;
      const name = random.pick(TOOLS);
      const input = this.#text(random.quantile(ARGUMENTS));
      parts.push({ type: "toolCall", id, name, arguments: { input } });
      const content = [this.#part(RESULT)];
      results.push({
        role: "toolResult",
        toolCallId: id,
        toolName: name,
        content,
        isError: random.chance(0.04),
      });
    }
    this.#assistant(parts, "toolUse");
    for (const message of results) {
      this.#push("message", { message: { ...message, timestamp: this.#time } });
    }
  }

  #assistant(content: JsonObject[], stopReason: string): void {
    const output = Math.ceil(JSON.stringify(content).length / TOKEN);
    const written = this.#random.integer(60, 3_000);
    const usage = {
      input: this.#random.integer(2, 9),
      output,
      cacheRead: this.#contextTokens,
      cacheWrite: written,
    };
    this.#contextTokens = Math.min(this.#contextTokens + written + output, CONTEXT_TOKENS);
    // The user tries another model for a while, now and then.
    const model = MODELS[hash32(this.#session, Math.floor(this.#turn / TRIAL_TURNS)) % 6] ?? MODELS[0];
    const message = {
      role: "assistant",
      content,
      api: "anthropic-messages",
      provider: "anthropic",
      model,
      usage,
    };
    this.#push("message", { message: { ...message, stopReason, timestamp: this.#time } });
  }

  #part(sizes: Quantiles): JsonObject {
    return { type: "text", text: this.#text(this.#random.quantile(sizes)) };
  }

  #thinking(): JsonObject {
    const thinking = this.#text(this.#random.quantile(ANSWER));
    return { type: "thinking", thinking, thinkingSignature: hash32(this.#session, this.#turn).toString(16) };
  }

  #image(): JsonObject {
    const size = this.#random.integer(IMAGE_BYTES.low, IMAGE_BYTES.high);
    const data = Buffer.from(this.#text(size)).toString("base64");
    return { type: "image", data, mimeType: "image/png" };
  }

  #push(type: string, fields: JsonObject): void {
    this.#time += 1_500;
    const raw = { type, timestamp: new Date(this.#time).toISOString(), ...fields };
    const key = `${this.#turn + 1}.${this.#entries.length + 1}`;
    this.#entries.push({ type, raw, key, parentKey: undefined });
  }
}
