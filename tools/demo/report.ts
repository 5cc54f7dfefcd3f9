// The demo's report: one HTML file with everything in it.
import type { PreprocessReport } from "../../src/pipeline/preprocess/preprocess.js";
import type { EvaluateReport, StepReport, TrainReport } from "../../src/train/report.js";
import { formatBytes, formatShare } from "../options/quantity.js";
import { escapeHtml, lineChart, type Series, scatterChart } from "../report/charts.js";
import { cell, renderPage, row } from "../report/page.js";
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
      cell(formatShare(evaluate.top1), "number strong"),
      cell(formatShare(evaluate.top5), "number"),
      cell(evaluate.loss.toFixed(3), "number"),
      cell(`${train.imagesPerSecond} images/s`, "number"),
      cell(`${evaluate.imagesPerSecond} images/s`, "number"),
      cell(formatShare(train.inputStallFraction), "number"),
      cell(`${(train.parameters / 1e6).toFixed(2)} M`, "number"),
    ),
  );
  return `<div class="scroll"><table class="wide"><thead>${header}</thead><tbody>${rows.join("\n")}</tbody></table></div>`;
}

function classTable(runs: readonly DemoRun[]): string {
  const classes = runs[0]?.evaluate.perClass ?? [];
  const bar = (run: DemoRun, index: number) => {
    const share = run.evaluate.perClass.find((entry) => entry.index === index)?.top1 ?? 0;
    return `<td class="bar"><span class="${run.style}" style="width:${(70 * share).toFixed(1)}%"></span><em>${formatShare(share)}</em></td>`;
  };
  const header = `<tr><th>class</th>${runs.map(({ title }) => `<th>${escapeHtml(title)}</th>`).join("")}</tr>`;
  return `<table class="wide"><thead>${header}</thead><tbody>${classes.map(({ index, name }) => row(cell(name), ...runs.map((run) => bar(run, index)))).join("\n")}</tbody></table>`;
}

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
  return renderPage(
    "dctstream demo",
    `<h1>From a tar of JPEGs to two trained networks</h1>
<p class="lead">The same shards of DCT coefficients feed a network that sees pixels and one that sees coefficients. ${data.seconds.toFixed(0)} seconds in all, on ${escapeHtml(data.machine)}.</p>
<section><h2>Result</h2>${resultTable(runs)}</section>
<section><div class="charts"><div><h2>Loss by training step</h2>${lineChart(lossSeries(runs), { x: "step", y: "cross-entropy" }, { smooth: true })}</div>
<div><h2>Accuracy against training speed</h2>${scatterChart(speedSeries(runs), { x: "images per second", y: "validation top-1, %", yMax: 100 })}</div></div></section>
<section><h2>The pictures</h2><p class="lead">Generated: four patterns by two hues of equal luma, in every chroma sampling. The pattern shows in luma only and the hue in chroma only, so a network needs both.</p>
<div class="gallery">${exampleFigures(data.examples)}</div></section>
<section><h2>Preprocessing</h2><p class="lead">Some files are broken on purpose. A truncated one keeps the coefficients it has; what cannot be used is skipped and counted.</p>${preprocessTable(data.preprocess)}</section>
<section><h2>Validation accuracy by class</h2>${classTable(runs)}</section>`,
  );
}
