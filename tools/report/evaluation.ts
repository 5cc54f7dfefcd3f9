// The page of dctstream evaluate --html: how good a network is, what it takes for what, and its worst mistakes as
// pictures.
import { encodeJpeg } from "../../src/native/index.js";
import { Loader } from "../../src/pipeline/load/loader.js";
import { publicUrl } from "../../src/public-url.js";
import type { LoadedManifest } from "../../src/shards/manifest.js";
import type { EvaluateReport } from "../../src/train/report.js";
import { describeClasses } from "../class-text.js";
import { formatShare } from "../options/quantity.js";
import { escapeHtml } from "./charts.js";
import { cell, renderPage, row } from "./page.js";

/** Side of a picture, in pixels. */
const pictureSize = 192;
/** A confusion matrix of more classes cannot be read. */
const mostClassesInMatrix = 40;
const mostRows = 50;

export interface EvaluationPage {
  readonly network: string;
  readonly checkpoint: string;
  readonly manifest: LoadedManifest;
  readonly report: EvaluateReport;
  /** JPEGs by sample number. */
  readonly pictures: ReadonlyMap<number, Uint8Array>;
}

/** The samples of these numbers as a network sees them, at a size to look at. */
export async function picturesOf(
  manifest: LoadedManifest,
  samples: readonly number[],
  signal: AbortSignal,
): Promise<Map<number, Uint8Array>> {
  const pictures = new Map<number, Uint8Array>();
  if (samples.length === 0) return pictures;
  const view = { kind: "rgb", type: "uint8", size: pictureSize, augment: "eval" } as const;
  const options = { view, batchSize: Math.min(8, samples.length), shuffle: false, workers: 1, signal };
  await using loader = await Loader.open([{ manifest, samples }], options);
  for await (const batch of loader.epoch(0)) {
    const values = batch.arrays[0]?.data as Uint8Array;
    const length = 3 * pictureSize * pictureSize;
    for (let i = 0; i < batch.samples; i++) {
      const pixels = values.slice(i * length, (i + 1) * length);
      pictures.set(batch.sampleNumbers[i] as number, encodeJpeg(pixels, pictureSize, pictureSize, 3, { quality: 88 }));
    }
    batch.release();
  }
  return pictures;
}

export function renderEvaluation({ network, checkpoint, manifest, report, pictures }: EvaluationPage): string {
  const name = (index: number) => report.classNames?.[index] ?? `class ${index}`;
  const { samples, top1, top5, loss, imagesPerSecond } = report;
  const figures = [
    ["top-1", formatShare(top1)],
    ["top-5", formatShare(top5)],
    ["loss", loss.toFixed(4)],
    ["samples", samples],
    ["speed", `${imagesPerSecond} images/s`],
  ] as const;
  const summary = figures.map(([label, value]) => row(cell(label), cell(value, "number strong"))).join("\n");
  return renderPage(
    `${network}: ${formatShare(top1)}`,
    `<h1>${escapeHtml(network)}: ${formatShare(top1)} right at the first guess</h1>
<p class="lead">${escapeHtml(publicUrl(checkpoint))} on ${escapeHtml(publicUrl(manifest.url))}</p>
<section><h2>Result</h2><table>${summary}</table>${classNote(report)}</section>
<section><h2>Worst mistakes</h2><p class="lead">Where the network was wrong and most sure of it.</p><div class="gallery">${mistakeFigures(report, pictures, name)}</div></section>
${confusionSection(report, name)}
<section><h2>Accuracy by class</h2><p class="lead">Hardest first.</p>${classTable(report)}</section>`,
  );
}

function classNote({ classes }: EvaluateReport): string {
  return describeClasses("the checkpoint", classes)
    .map((line) => `<p class="lead">${escapeHtml(line)}</p>`)
    .join("");
}

type NameOf = (index: number) => string;

function mistakeFigures({ mistakes = [] }: EvaluateReport, pictures: EvaluationPage["pictures"], name: NameOf): string {
  if (mistakes.length === 0) return "<p>There are none.</p>";
  return mistakes
    .map(({ key, sample, label, predicted, probability }) => {
      const source = `data:image/jpeg;base64,${Buffer.from(pictures.get(sample) ?? []).toString("base64")}`;
      return `<figure><img src="${source}" width="${pictureSize}" height="${pictureSize}" alt="${escapeHtml(name(label))}"><figcaption>${escapeHtml(name(label))}, taken for ${escapeHtml(name(predicted))}<small>${formatShare(probability)} sure; ${escapeHtml(key)}</small></figcaption></figure>`;
    })
    .join("\n");
}

/** A matrix while it can be read, the most frequent confusions otherwise. */
function confusionSection(report: EvaluateReport, name: NameOf): string {
  const { perClass, confusion } = report;
  const occurring = [...perClass.map(({ index }) => index), ...confusion.map(({ predicted }) => predicted)];
  const classes = [...new Set(occurring)].sort((a, b) => a - b);
  if (classes.length > mostClassesInMatrix) {
    const rows = report.confusion
      .slice(0, mostRows)
      .map(({ label, predicted, count }) => row(cell(name(label)), cell(name(predicted)), cell(count, "number")));
    const header = "<tr><th>is</th><th>was taken for</th><th>times</th></tr>";
    return `<section><h2>Most frequent confusions</h2><table class="wide"><thead>${header}</thead><tbody>${rows.join("\n")}</tbody></table></section>`;
  }
  const counts = new Map(report.confusion.map(({ label, predicted, count }) => [`${label} ${predicted}`, count]));
  const rows = classes.map((label) => {
    const own = report.perClass.find(({ index }) => index === label);
    const cells = classes.map((predicted) => {
      const right = own === undefined ? 0 : Math.round(own.top1 * own.samples);
      const count = label === predicted ? right : (counts.get(`${label} ${predicted}`) ?? 0);
      const share = own === undefined ? 0 : count / own.samples;
      const kind = label === predicted ? "right" : "wrong";
      const title = `${name(label)} taken for ${name(predicted)}: ${count}`;
      return `<td class="${kind}" style="--share:${share.toFixed(3)}" title="${escapeHtml(title)}">${count === 0 ? "" : count}</td>`;
    });
    return `<tr><th scope="row">${escapeHtml(name(label))}</th>${cells.join("")}</tr>`;
  });
  const header = classes.map((index) => `<th scope="col"><span>${escapeHtml(name(index))}</span></th>`).join("");
  return `<section><h2>What is taken for what</h2><p class="lead">Rows: what it is. Columns: what the network says.</p>
<div class="scroll"><table class="matrix"><thead><tr><th></th>${header}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div></section>`;
}

function classTable({ perClass }: EvaluateReport): string {
  const rows = [...perClass]
    .sort((a, b) => a.top1 - b.top1)
    .slice(0, mostRows)
    .map(({ name, samples, top1 }) => {
      const bar = `<td class="bar"><span class="dct" style="width:${(70 * top1).toFixed(1)}%"></span><em>${formatShare(top1)}</em></td>`;
      return row(cell(name), bar, cell(samples, "number"));
    });
  return `<table class="wide"><thead><tr><th>class</th><th>top-1</th><th>samples</th></tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
}
