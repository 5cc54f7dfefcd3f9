// The demo's report: one HTML file with everything in it, no scripts and no requests.
import type { PreprocessReport } from "../../src/pipeline/preprocess/preprocess.js";
import type { EvaluateReport } from "../../src/train/evaluate.js";
import type { StepReport, TrainReport } from "../../src/train/report.js";
import { formatBytes } from "../quantity.js";
import { escapeHtml, lineChart, type Series, scatterChart } from "./charts.js";
import type { DemoImage } from "./images.js";

export interface DemoRun {
  readonly title: string;
  readonly style: "pixel" | "dct";
  readonly train: TrainReport;
  readonly evaluate: EvaluateReport;
  readonly steps: readonly StepReport[];
}

export interface DemoReportData {
  readonly examples: readonly DemoImage[];
  readonly preprocess: PreprocessReport;
  readonly runs: readonly DemoRun[];
  readonly seconds: number;
  readonly machine: string;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const cell = (value: string | number, className = "") =>
  `<td${className === "" ? "" : ` class="${className}"`}>${escapeHtml(String(value))}</td>`;
const row = (...cells: readonly string[]) => `<tr>${cells.join("")}</tr>`;

function exampleFigures(examples: readonly DemoImage[]): string {
  return examples
    .map(({ jpeg, className, width, height, encoding }) => {
      const source = `data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}`;
      return `<figure><img src="${source}" width="128" height="128" alt="${escapeHtml(className)}"><figcaption>${escapeHtml(className)}<small>${width} × ${height}, ${escapeHtml(encoding)}</small></figcaption></figure>`;
    })
    .join("\n");
}

function preprocessTable(report: PreprocessReport): string {
  const failures = Object.entries(report.errors).map(([code, count]) => row(cell(code, "code"), cell(count, "number")));
  return `<div class="columns"><table><caption>Written</caption>
${row(cell("samples"), cell(report.samples, "number"))}
${row(cell("JPEG bytes"), cell(formatBytes(report.inputBytes), "number"))}
${row(cell("shard bytes"), cell(`${formatBytes(report.outputBytes)} (× ${(report.outputBytes / report.inputBytes).toFixed(2)})`, "number"))}
${row(cell("speed"), cell(`${report.imagesPerSecond} images/s`, "number"))}
</table><table><caption>Skipped and counted</caption>
${failures.join("\n")}
</table></div>`;
}

function resultTable(runs: readonly DemoRun[]): string {
  const header = `<tr><th></th>${["network", "top-1", "top-5", "loss", "training", "evaluation", "waiting for input", "parameters"].map((name) => `<th>${name}</th>`).join("")}</tr>`;
  const rows = runs.map(({ title, style, train, evaluate }) =>
    row(
      `<td><span class="key ${style}"></span></td>`,
      `<td>${escapeHtml(title)}<small>${escapeHtml(train.network)}</small></td>`,
      cell(percent(evaluate.top1), "number strong"),
      cell(percent(evaluate.top5), "number"),
      cell(evaluate.loss.toFixed(3), "number"),
      cell(`${train.imagesPerSecond} images/s`, "number"),
      cell(`${evaluate.imagesPerSecond} images/s`, "number"),
      cell(percent(train.inputStallFraction), "number"),
      cell(`${(train.parameters / 1e6).toFixed(2)} M`, "number"),
    ),
  );
  return `<div class="scroll"><table class="wide"><thead>${header}</thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

function classTable(runs: readonly DemoRun[]): string {
  const classes = runs[0]?.evaluate.perClass ?? [];
  const bar = (run: DemoRun, index: number) => {
    const share = run.evaluate.perClass.find((entry) => entry.index === index)?.top1 ?? 0;
    return `<td class="bar"><span class="${run.style}" style="width:${(70 * share).toFixed(1)}%"></span><em>${percent(share)}</em></td>`;
  };
  const header = `<tr><th>class</th>${runs.map(({ title }) => `<th>${escapeHtml(title)}</th>`).join("")}</tr>`;
  return `<table class="wide"><thead>${header}</thead><tbody>${classes.map(({ index, name }) => row(cell(name), ...runs.map((run) => bar(run, index)))).join("\n")}</tbody></table>`;
}

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
.bar { width: 38%; } .bar span { display: inline-block; height: 11px; border-radius: 3px; vertical-align: middle; } .bar em { font-style: normal; font-size: 13px; margin-left: 8px; color: var(--soft); }
`;

function lossSeries(runs: readonly DemoRun[]): Series[] {
  return runs.map(({ title, style, steps }) => ({
    name: title,
    style,
    points: steps.map(({ step, loss }) => [step, loss] as const),
  }));
}

function speedSeries(runs: readonly DemoRun[]): Series[] {
  return runs.map(({ title, style, train, evaluate }) => ({
    name: title,
    style,
    points: [[train.imagesPerSecond, 100 * evaluate.top1]],
  }));
}

export function renderReport(data: DemoReportData): string {
  const { runs } = data;
  const legend = `<div class="legend">${runs.map(({ title, style }) => `<span><i class="key ${style}"></i>${escapeHtml(title)}</span>`).join("")}</div>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>dctstream demo</title><link rel="icon" href="data:,"><style>${styles}</style></head>
<body><main>
<h1>From a tar of JPEGs to two trained networks</h1>
<p class="lead">The same shards of DCT coefficients feed a network that sees pixels and one that sees coefficients. ${data.seconds.toFixed(0)} seconds in all, on ${escapeHtml(data.machine)}.</p>
<section><h2>Result</h2>${resultTable(runs)}</section>
<section><div class="charts"><div><h2>Loss by training step</h2>${legend}${lineChart(lossSeries(runs), "step", "cross-entropy")}</div>
<div><h2>Accuracy against training speed</h2>${legend}${scatterChart(speedSeries(runs), "images per second", "validation top-1")}</div></div></section>
<section><h2>The pictures</h2><p class="lead">Generated: four patterns by two hues of equal luma, in every chroma sampling. The pattern shows in luma only and the hue in chroma only, so a network needs both.</p>
<div class="gallery">${exampleFigures(data.examples)}</div></section>
<section><h2>Preprocessing</h2><p class="lead">Some files are broken on purpose. A truncated one keeps the coefficients it has; what cannot be used is skipped and counted.</p>${preprocessTable(data.preprocess)}</section>
<section><h2>Validation accuracy by class</h2>${classTable(runs)}</section>
</main></body></html>
`;
}
