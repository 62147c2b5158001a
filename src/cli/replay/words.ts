/**
 * Invented text, cheap enough for millions of characters: one long text made once, of which pieces are cut.
 * It compresses about as well as source code does; it means nothing.
 */
import { Random } from "./random.ts";

/** Characters of the long text: more than the longest piece, little enough to stay in a processor's cache. */
const LENGTH = 192 * 1024;
/** Words the long text is made of; enough that it does not repeat within a compressor's window. */
const VOCABULARY = 4_096;
const SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu str ing tion able".split(" ");
const MARKS = [
  " ",
  " ",
  " ",
  " ",
  " ",
  " ",
  ", ",
  ". ",
  ";\n",
  " = ",
  "(",
  ") ",
  "\n  ",
  " → ",
  " é ",
  " 🙂 ",
] as const;

let made: { readonly text: string; readonly bytes: Uint8Array } | undefined;

function longText(): { readonly text: string; readonly bytes: Uint8Array } {
  if (made !== undefined) return made;
  const random = new Random(20_260_105);
  const words: string[] = [];
  for (let word = 0; word < VOCABULARY; word++) {
    let spelled = "";
    for (let left = random.integer(1, 4); left > 0; left--) {
      spelled += SYLLABLES[random.integer(0, SYLLABLES.length - 1)] ?? "";
    }
    words.push(spelled);
  }
  const pieces: string[] = [];
  for (let length = 0; length < LENGTH; ) {
    // The square makes some words far more frequent than others, as in any text.
    const word = words[Math.floor(random.next() ** 2 * VOCABULARY)] ?? "";
    const piece = word + random.pick(MARKS);
    pieces.push(piece);
    length += piece.length;
  }
  const text = pieces.join("");
  made = { text, bytes: new TextEncoder().encode(text) };
  return made;
}

/** Cuts pieces of text where `random` says; a cut may fall inside a surrogate pair, as in real tools. */
export function slicer(random: Random): (length: number) => string {
  const { text } = longText();
  return (length) => {
    const cut = Math.min(length, text.length);
    const start = random.integer(0, text.length - cut);
    return text.slice(start, start + cut);
  };
}

/** A copy of `length` bytes of the text from a place chosen by `random`. */
export function sliceBytes(random: Random, length: number): Uint8Array {
  const { bytes } = longText();
  const start = random.integer(0, bytes.length - length);
  return bytes.slice(start, start + length);
}
