// The page of dctstream train --html: how the run went, and, where it was profiled, where its time went.
import type { TrainReport } from "../../src/train/report.js";
import type { EpochLine, parseHistory, StepLine } from "../../src/train/run/history.js";
import { formatDuration, formatShare } from "../options/quantity.js";
import { profileSections } from "../profile/page.js";
import type { Profiled } from "../profile/profiled.js";
import { escapeHtml, lineChart, type Series } from "./charts.js";
import { factTable, renderPage, section } from "./page.js";

/** `history` are the lines of the run's history.jsonl. */
export function renderTraining(
  report: TrainReport,
  history: ReturnType<typeof parseHistory>,
  profiled: Profiled | undefined,
): string {
  const { network, best, valTop1 } = report;
  const shown = best?.valTop1 ?? valTop1;
  const title = shown === undefined ? network : `${network}: ${formatShare(shown)}`;
  const told = shown === undefined ? "" : `: ${formatShare(shown)} of the validation right at the first guess`;
  const verdict = profiled === undefined ? "" : `<p class="lead">${escapeHtml(profiled.profile.verdict)}</p>`;
  return renderPage(
    title,
    `<h1>${escapeHtml(network)}${told}</h1>${verdict}
${section("Result", resultTable(report))}
${curves(history)}
${profiled === undefined ? "" : profileSections(profiled.profile, profiled.recording)}`,
  );
}

const share = (value: number | undefined) => (value === undefined ? "-" : formatShare(value));

function resultTable(report: TrainReport): string {
  const { epochs, steps, best, valTop1, valTop5, valLoss, loss, firstLoss, seconds, imagesPerSecond } = report;
  const facts: (readonly [string, string])[] = [
    ["trained", `${steps} steps, ${epochs} epochs, in ${formatDuration(seconds)}`],
    ["validation top-1, top-5", `${share(valTop1)}, ${share(valTop5)}`],
    ["best", best === undefined ? "-" : `${formatShare(best.valTop1)} after epoch ${best.epoch}`],
    [
      "loss",
      `${firstLoss.toFixed(4)} → ${loss.toFixed(4)}${valLoss === undefined ? "" : `; validation ${valLoss.toFixed(4)}`}`,
    ],
    ["speed", `${imagesPerSecond} images/s, ${formatShare(report.inputStallFraction)} of the time waiting for input`],
    ["parameters", `${(report.parameters / 1e6).toFixed(2)} M`],
    ["device", `${report.device}${report.worldSize > 1 ? `, ${report.worldSize} ranks` : ""}`],
    ["checkpoint", report.checkpoint],
  ];
  return factTable(facts);
}

function curves(history: ReturnType<typeof parseHistory>): string {
  const steps = history.filter((line): line is StepLine => line.kind === "step");
  const epochs = history.filter((line): line is EpochLine => line.kind === "epoch");
  const over = (name: string, style: string, pick: (line: StepLine) => number): Series[] => [
    { name, style, points: steps.map((line) => [line.step, pick(line)] as const) },
  ];
  const accuracy: Series[] = [
    { name: "training", style: "pixel", points: epochs.map(({ epoch, top1 }) => [epoch, 100 * top1] as const) },
    {
      name: "validation",
      style: "dct",
      points: epochs.flatMap(({ epoch, valTop1 }) => (valTop1 === undefined ? [] : [[epoch, 100 * valTop1] as const])),
    },
  ];
  const charts = [
    [
      "Loss",
      lineChart(
        over("loss", "dct", ({ loss }) => loss),
        { x: "step", y: "cross-entropy" },
        { smooth: true },
      ),
    ],
    ["Top-1", lineChart(accuracy, { x: "epoch", y: "top-1, %", yMax: 100 })],
    [
      "Learning rate",
      lineChart(
        over("rate", "step", ({ learningRate }) => learningRate),
        { x: "step", y: "learning rate" },
      ),
    ],
    [
      "Speed",
      lineChart(
        over("images/s", "step", (line) => line.imagesPerSecond),
        { x: "step", y: "images/s" },
      ),
    ],
  ];
  const figures = charts.map(([title, chart]) => `<div><h2>${title}</h2>${chart}</div>`);
  return `<section><div class="charts">${figures.join("\n")}</div></section>`;
}
