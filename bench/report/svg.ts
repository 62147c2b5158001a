/** Text of SVG and HTML elements, escaped in one place. */

export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** `inner` is markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  inner = "",
): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? round(value) : escapeText(value)}"`)
    .join("");
  return inner === "" && VOID.has(name) ? `<${name}${written}/>` : `<${name}${written}>${inner}</${name}>`;
}

export function textElement(text: string, attributes: Readonly<Record<string, string | number>>): string {
  return element("text", attributes, escapeText(text));
}

const VOID = new Set(["line", "path", "circle", "rect", "polyline"]);

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
