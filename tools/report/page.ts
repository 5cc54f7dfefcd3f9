// What our HTML reports have in common: one file with everything in it, no scripts and no requests, light and dark.
import { escapeHtml } from "./charts.js";

export const cell = (value: string | number, className = "") =>
  `<td${className === "" ? "" : ` class="${className}"`}>${escapeHtml(String(value))}</td>`;

export const row = (...cells: readonly string[]) => `<tr>${cells.join("")}</tr>`;

const styles = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #f6f7f9; --card: #fff; --line: #dfe3e8; --pixel: #c2641c; --dct: #2c6fb3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf0; --soft: #9aa6b5; --paper: #14181d; --card: #1c2229; --line: #323a44; --pixel: #ec9a58; --dct: #6cabea; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; } h2 { font-size: 19px; margin: 0 0 14px; }
p { margin: 0 0 14px; max-width: 70ch; } .lead { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px; margin-top: 20px; }
.gallery { display: grid; grid-template-columns: repeat(4, 1fr); gap: 20px; } @media (max-width: 640px) { .gallery { grid-template-columns: repeat(2, 1fr); } }
figure { margin: 0; } figure img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 6px; object-fit: cover; } figcaption { font-size: 14px; margin-top: 6px; }
small { display: block; color: var(--soft); font-size: 12.5px; }
.columns, .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 24px; align-items: start; }
table { border-collapse: collapse; width: 100%; font-size: 15px; } caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
th { text-align: left; font-weight: 600; font-size: 13px; color: var(--soft); } td, th { padding: 7px 10px 7px 0; border-bottom: 1px solid var(--line); }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; } .strong { font-weight: 700; } .code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13.5px; }
.scroll { overflow-x: auto; }
svg { width: 100%; height: auto; } .grid { stroke: var(--line); } .tick, .axis { font-size: 13px; fill: var(--soft); }
.line { fill: none; stroke-width: 2.5; } .faint { opacity: .22; stroke-width: 1.2; } .line.pixel { stroke: var(--pixel); } .line.dct { stroke: var(--dct); }
.mark.pixel { fill: var(--pixel); } .mark.dct { fill: var(--dct); }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; } .key.pixel, .bar .pixel { background: var(--pixel); } .key.dct, .bar .dct { background: var(--dct); }
.legend { display: flex; gap: 20px; font-size: 14px; margin-bottom: 8px; } .legend .key { margin-right: 7px; }
.matrix { width: auto; font-size: 13px; } .matrix td { width: 34px; min-width: 34px; height: 30px; padding: 0; text-align: center; border: 1px solid var(--card); font-variant-numeric: tabular-nums; }
.matrix .right { background: color-mix(in srgb, var(--dct) calc(var(--share) * 75%), transparent); } .matrix .wrong { background: color-mix(in srgb, var(--pixel) calc(var(--share) * 300%), transparent); }
.matrix th { border: 0; padding: 0 8px 0 0; white-space: nowrap; text-align: right; } .matrix thead th { height: 118px; padding: 0; vertical-align: bottom; } .matrix thead span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); padding-bottom: 4px; text-align: left; }
.bar { width: 38%; } .bar span { display: inline-block; height: 11px; border-radius: 3px; vertical-align: middle; } .bar em { font-style: normal; font-size: 13px; margin-left: 8px; color: var(--soft); }
`;

/** `content` is HTML. */
export function renderPage(title: string, content: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${styles}</style></head>
<body><main>
${content}
</main></body></html>
`;
}
