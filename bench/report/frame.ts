/** What the plots have around their data: axes, grid, titles, and names beside the ends of lines. */
import type { Look } from "./looks.ts";
import type { Scale } from "./scale.ts";
import { element, textElement } from "./svg.ts";

export const WIDTH = 640;
export const HEIGHT = 340;
/** Right of it stand the names of lines. */
export const AREA = { left: 62, right: 462, top: 16, bottom: 292 } as const;
const NAME_HEIGHT = 15;

export function frame(options: {
  readonly x: Scale;
  readonly y: Scale;
  readonly xTick: (value: number) => string;
  readonly yTick: (value: number) => string;
  readonly xLabel: string;
}): string {
  const { x, y } = options;
  const parts: string[] = [];
  for (const value of y.ticks) {
    const at = y.at(value);
    parts.push(element("line", { class: "grid", x1: AREA.left, x2: AREA.right, y1: at, y2: at }));
    parts.push(textElement(options.yTick(value), { x: AREA.left - 8, y: at + 4, class: "tick end" }));
  }
  for (const value of x.ticks) {
    const at = x.at(value);
    parts.push(element("line", { class: "axis", x1: at, x2: at, y1: AREA.bottom, y2: AREA.bottom + 4 }));
    parts.push(textElement(options.xTick(value), { x: at, y: AREA.bottom + 18, class: "tick middle" }));
  }
  parts.push(
    element("line", { class: "axis", x1: AREA.left, x2: AREA.right, y1: AREA.bottom, y2: AREA.bottom }),
  );
  const middle = (AREA.left + AREA.right) / 2;
  parts.push(textElement(options.xLabel, { x: middle, y: AREA.bottom + 38, class: "label middle" }));
  return parts.join("");
}

export interface Named {
  readonly name: string;
  readonly look: Look;
  /** End of its line. */
  readonly x: number;
  readonly y: number;
}

/** Names at the right, each beside its line's end, moved apart where they would cover each other. */
export function names(all: readonly Named[]): string {
  const sorted = [...all].sort((a, b) => a.y - b.y);
  const places: number[] = [];
  for (const { y } of sorted) places.push(Math.max(y, (places.at(-1) ?? -NAME_HEIGHT) + NAME_HEIGHT));
  // Too far down: push back up from the bottom.
  let limit = AREA.bottom + 4;
  for (let at = places.length - 1; at >= 0; at -= 1) {
    places[at] = Math.min(places[at] ?? 0, limit);
    limit = (places[at] ?? 0) - NAME_HEIGHT;
  }
  return sorted
    .map(({ name, look, x, y }, at) => {
      const place = places[at] ?? y;
      const leader = `M${x + 5} ${y}L${AREA.right + 6} ${y}L${AREA.right + 18} ${place}`;
      const strong = look.isStrong ? " strong" : "";
      return (
        element("path", { d: leader, class: `leader ${look.color}` }) +
        textElement(name, { x: AREA.right + 22, y: place + 4, class: `name ${look.color}${strong}` })
      );
    })
    .join("");
}

export function figure(title: string, height: number, inner: string): string {
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title }, inner);
  return element("figure", {}, element("figcaption", {}, title) + svg);
}
