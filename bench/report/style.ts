/** The report's style sheet: light and dark, no font or file from elsewhere. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #1d1f21; --soft: #63676c; --rule: #e4e1db; --grid: #ece9e4;
  --blue: #0b63c5; --cyan: #0a8f9c; --navy: #3b3f9e; --violet: #8250c4; --grey: #7d8288; --slate: #a4a9af;
  --orange: #d2691e; --sand: #c99a3b; --green: #2f8f4e; --brown: #8a5a3c; --red: #c8323c; --pink: #d0679d; --rose: #a83f74;
  --good: #1b7a3d; --bad: #b3261e; --warn: #8a5a00; --warn-page: #fff4dc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171a; --card: #1c1f23; --ink: #e7e6e3; --soft: #9aa0a6; --rule: #2e3238; --grid: #282c31;
    --blue: #5aa7ff; --cyan: #3fc4cf; --navy: #9aa0ff; --violet: #bd93f2; --grey: #9aa0a6; --slate: #6f757c;
    --orange: #f0934a; --sand: #e0bd6a; --green: #5cc27e; --brown: #c79270; --red: #ff6b70; --pink: #f098c4; --rose: #e0709f;
    --good: #6fd08f; --bad: #ff8a80; --warn: #f0c060; --warn-page: #33290f;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1360px; margin: 0 auto; padding: 40px 28px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 21px; line-height: 1.3; margin: 0 0 4px; letter-spacing: -0.005em; }
h3 { font-size: 15px; margin: 28px 0 8px; }
p { margin: 6px 0; max-width: 86ch; }
.soft, figcaption, .facts dt { color: var(--soft); }
a { color: var(--blue); text-decoration: none; }
a:hover { text-decoration: underline; }
code { font: 0.92em ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 18px 0 0; font-size: 14px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 10px 28px; margin: 22px 0; font-size: 14px; }
.facts div { min-width: 0; }
.facts dt { font-size: 12px; }
li { margin: 2px 0; font-size: 13.5px; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 24px 26px; margin: 24px 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 540px), 1fr)); gap: 22px 34px; margin: 18px 0 8px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13.5px; margin: 0 0 6px; font-weight: 600; color: var(--ink); }
svg { width: 100%; height: auto; display: block; overflow: visible; font-size: 12px; }
.table { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 14px 4px 0; text-align: left; white-space: nowrap; vertical-align: baseline; }
th { color: var(--soft); font-weight: 500; font-size: 12.5px; border-bottom: 1px solid var(--rule); }
td { border-bottom: 1px solid var(--grid); }
td.number, th.number { text-align: right; }
tr.own td { font-weight: 600; }
details summary { cursor: pointer; color: var(--soft); font-size: 14px; margin-top: 12px; }
.doubt { background: var(--warn-page); color: var(--warn); border-radius: 6px; padding: 6px 12px; margin: 10px 0; max-width: none; font-size: 14px; }
.met { color: var(--good); font-weight: 600; }
.missed { color: var(--bad); font-weight: 600; }
.grid { stroke: var(--grid); stroke-width: 1; }
.axis { stroke: var(--soft); stroke-width: 1; }
.tick, .label { fill: var(--soft); }
.label { font-size: 12px; }
.group { fill: var(--ink); font-weight: 600; }
.name { fill: var(--ink); }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.strong.name { font-weight: 700; }
.line { fill: none; stroke: var(--c); stroke-width: 1.6; stroke-linejoin: round; }
.line.strong { stroke-width: 2.8; }
.line.hollow { stroke-dasharray: 5 4; }
.leader { fill: none; stroke: var(--c); stroke-width: 0.8; opacity: 0.55; }
.range { stroke: var(--c); stroke-width: 1.4; opacity: 0.5; }
.range.wide { stroke-width: 5; stroke-linecap: round; opacity: 0.35; }
.dot { fill: var(--c); stroke: var(--card); stroke-width: 1; }
.dot.hollow { fill: var(--card); stroke: var(--c); stroke-width: 1.8; }
text.name { fill: var(--c, var(--ink)); }
.blue { --c: var(--blue); } .cyan { --c: var(--cyan); } .navy { --c: var(--navy); } .violet { --c: var(--violet); }
.grey { --c: var(--grey); } .slate { --c: var(--slate); } .orange { --c: var(--orange); } .sand { --c: var(--sand); }
.green { --c: var(--green); } .brown { --c: var(--brown); } .red { --c: var(--red); } .pink { --c: var(--pink); } .rose { --c: var(--rose); }
@media print { section { break-inside: avoid; border: none; padding: 0; } nav { display: none; } }
`;
