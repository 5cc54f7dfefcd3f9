// What our HTML reports have in common: one file with everything in it and no requests, light and dark, for a phone and
// for a desk.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { escapeHtml } from "./charts.js";

export const cell = (value: string | number, className = "") =>
  `<td${className === "" ? "" : ` class="${className}"`}>${escapeHtml(String(value))}</td>`;

export const row = (...cells: readonly string[]) => `<tr>${cells.join("")}</tr>`;

/** Rows under their names; scrolled where the window is too narrow. */
export function wideTable(names: readonly string[], rows: readonly string[]): string {
  const header = names.map((name) => `<th>${escapeHtml(name)}</th>`).join("");
  return `<div class="scroll"><table class="wide"><thead><tr>${header}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

/** Names and their values. */
export function factTable(facts: readonly (readonly [string, string])[]): string {
  return `<table>${facts.map(([name, value]) => row(cell(name), cell(value, name === "command" ? "code" : ""))).join("\n")}</table>`;
}

/** Nothing where there is no content; `lead` explains it. */
export function section(title: string, content: string, lead = ""): string {
  if (content === "") return "";
  const explained = lead === "" ? "" : `<p class="lead">${escapeHtml(lead)}</p>`;
  return `<section><h2>${escapeHtml(title)}</h2>${explained}${content}</section>`;
}

const styles = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #f6f7f9; --card: #fff; --line: #dfe3e8; --pixel: #c2641c; --dct: #2c6fb3; --warn: #c0392b;
  --storage: #6b7fd7; --read: #4aa3a2; --decode: #3f8f4f; --views: #2c6fb3; --collate: #8a6fb0; --write: #b8860b; --output: #a0522d; --step: #37474f; --wait: #d1603d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf0; --soft: #9aa6b5; --paper: #14181d; --card: #1c2229; --line: #323a44; --pixel: #ec9a58; --dct: #6cabea; --warn: #ff7b6b;
  --storage: #94a4f4; --read: #6fcfcd; --decode: #74c785; --views: #6cabea; --collate: #bfa1e8; --write: #e0b84c; --output: #d98e63; --step: #b0bec5; --wait: #ff9d7a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; } h2 { font-size: 19px; margin: 0 0 14px; }
p { margin: 0 0 14px; max-width: 70ch; } .lead { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px; margin-top: 20px; }
.gallery { display: grid; grid-template-columns: repeat(4, 1fr); gap: 20px; } @media (max-width: 640px) { .gallery { grid-template-columns: repeat(2, 1fr); } }
figure { margin: 0; } figure img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 6px; object-fit: cover; } figcaption { font-size: 14px; margin-top: 6px; }
small { display: block; white-space: normal; color: var(--soft); font-size: 12.5px; }
.columns, .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 24px; align-items: start; } .charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); } .charts > * { min-width: 0; }
table { border-collapse: collapse; width: 100%; font-size: 15px; } caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
th { text-align: left; font-weight: 600; font-size: 13px; color: var(--soft); } td, th { padding: 7px 10px 7px 0; border-bottom: 1px solid var(--line); }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; } .strong { font-weight: 700; } .code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13.5px; }
.scroll { overflow-x: auto; }
.chart { position: relative; width: 100%; }
ul { margin: 0 0 14px; padding-left: 20px; } .key { vertical-align: baseline; }
.flow { display: flex; align-items: stretch; margin: 4px 0 16px; } .duct { flex: 1 1 0; min-width: 0; display: flex; flex-direction: column; }
.pipe { height: 150px; display: flex; align-items: center; position: relative; } .pipe::before { content: ""; position: absolute; inset: 0; margin: auto 0; height: var(--alone); background: color-mix(in srgb, var(--own) 26%, var(--card)); border-block: 2px solid var(--own); }
.pipe span { position: absolute; inset: 0; margin: auto 0; height: var(--stream); background: color-mix(in srgb, var(--soft) 45%, transparent); }
.duct p { margin: 8px 6px 0 0; font-size: 14px; line-height: 1.35; overflow-wrap: anywhere; } .narrow .pipe::before { background: color-mix(in srgb, var(--warn) 40%, var(--card)); border-color: var(--warn); } .narrow strong { color: var(--warn); }
.stage { min-width: 130px; } .way { margin: 12px 0 4px; font-size: 14px; } .ways { display: flex; height: 22px; border-radius: 4px; overflow: hidden; } .keys { display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 14px; max-width: none; } .shares { display: flex; width: 110px; height: 12px; border: 1px solid var(--line); border-radius: 3px; overflow: hidden; } .shares span { background: var(--own); } .shares i { background: repeating-linear-gradient(135deg, var(--line) 0 3px, transparent 3px 6px); }
@media (max-width: 640px) { main { padding: 24px 12px 40px; } section { padding: 16px 14px; } h1 { font-size: 24px; } .flow { flex-direction: column; } .duct { flex-direction: row; align-items: center; } .pipe { width: 45%; height: 64px; flex: none; } .pipe::before, .pipe span { height: auto; margin: 0 auto; inset: 0; width: var(--alone); border-block: 0; border-inline: 2px solid var(--own); } .pipe span { width: var(--stream); border: 0; } .duct p { margin: 6px 0 6px 14px; } }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; } .key.pixel, .bar .pixel { background: var(--pixel); } .key.dct, .bar .dct { background: var(--dct); }
.matrix { width: auto; font-size: 13px; } .matrix td { width: 34px; min-width: 34px; height: 30px; padding: 0; text-align: center; border: 1px solid var(--card); font-variant-numeric: tabular-nums; }
.matrix .right { background: color-mix(in srgb, var(--dct) calc(var(--share) * 75%), transparent); } .matrix .wrong { background: color-mix(in srgb, var(--pixel) calc(var(--share) * 300%), transparent); }
.matrix th { border: 0; padding: 0 8px 0 0; white-space: nowrap; text-align: right; } .matrix thead th { height: 118px; padding: 0; vertical-align: bottom; } .matrix thead span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); padding-bottom: 4px; text-align: left; }
.bar { width: 38%; } .bar span { display: inline-block; height: 11px; border-radius: 3px; vertical-align: middle; } .bar em { font-style: normal; font-size: 13px; margin-left: 8px; color: var(--soft); }
`;

/** Text that ends no script, whatever it holds. */
const inline = (script: string) =>
  script.replaceAll("</script", "<\\/script").replace(/^\/\/# sourceMappingURL=.*$/gm, "");

/** Chart.js, and what draws the page's charts with it. */
function chartScripts(): string {
  const folder = path.dirname(createRequire(import.meta.url).resolve("chart.js"));
  const library = readFileSync(path.join(folder, "chart.umd.min.js"), "utf8");
  const client = readFileSync(fileURLToPath(new URL("./client.js", import.meta.url)), "utf8");
  return `<script>${inline(library)}</script>\n<script type="module">${inline(client)}</script>`;
}

/** `content` is HTML. */
export function renderPage(title: string, content: string): string {
  const scripts = content.includes("data-chart=") ? chartScripts() : "";
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>${styles}</style></head>
<body><main>
${content}
</main>${scripts}</body></html>
`;
}
