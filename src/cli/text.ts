/**
 * Text for people: aligned columns, colours where they are welcome, and stored text made harmless. Ids and
 * messages may hold any character; none of them reaches a terminal as a control sequence.
 */

/** A table whose columns are as wide as their longest cell; the last one is not padded. */
export function table(rows: readonly (readonly string[])[], rightAligned: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, widthOf(cell));
    });
  }
  const lines = rows.map((row) =>
    row
      .map((cell, at) => {
        const gap = " ".repeat((widths[at] ?? 0) - widthOf(cell));
        if (rightAligned.includes(at)) return gap + cell;
        return at === row.length - 1 ? cell : cell + gap;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** Escape sequences take no room. */
function widthOf(cell: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what marks an escape sequence.
  return [...cell.replace(/\u001b\[[0-9;]*m/g, "")].length;
}

const COLORS = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;

export type Paint = (color: keyof typeof COLORS, text: string) => string;

export function painter(color: boolean): Paint {
  return (name, text) => (color ? `\u001b[${COLORS[name]}m${text}\u001b[0m` : text);
}

/** The text on one line, control characters and lone surrogates as escapes, at most `most` characters. */
export function printable(text: string, most = Number.POSITIVE_INFINITY): string {
  let shown = "";
  let count = 0;
  for (const character of text) {
    if (count === most) return `${shown}…`;
    shown += isHarmless(character) ? character : escaped(character);
    count++;
  }
  return shown;
}

/** An id as it must be typed again: as it is, or quoted where it holds what a shell or a reader would lose. */
export function idText(id: string): string {
  return /^[\p{L}\p{N}_.:@/+~=%,-]+$/u.test(id) ? id : printable(JSON.stringify(id));
}

function isHarmless(character: string): boolean {
  // Controls, formats (right-to-left overrides among them), line and paragraph separators, lone surrogates.
  return !/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(character) || character === "\u200d";
}

function escaped(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  if (character === "\r") return "\\r";
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
