// The page of dctstream profile compare.
import { formatBytes } from "../../options/quantity.js";
import { escapeHtml } from "../../report/charts.js";
import { machineSection } from "../../report/machine.js";
import { cell, renderPage, row, section, wideTable } from "../../report/page.js";
import { rate } from "../verdict.js";
import type { Comparison, Way } from "./measure.js";

const parts = [
  ["read", "storage"],
  ["decode", "decode"],
  ["view", "views"],
  ["collate", "collate"],
  ["step", "step"],
] as const;

const timesOf = ({ readMs, decodeMs, viewMs, collateMs, stepMs }: Way) => [readMs, decodeMs, viewMs, collateMs, stepMs];

export function renderComparison({ ways, verdict, seconds, cores }: Comparison): string {
  const [title = "", sentence = ""] = verdict.split(": ");
  return renderPage(
    "dctstream profile compare",
    `<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(sentence)}</p>
${section("From file to step", table(ways), "Milliseconds per image: of input in one thread, of a step as the device computes it.")}
${section("Where an image's time goes", bars(ways))}
${machineSection(seconds, cores, {})}`,
  );
}

const ms = (value: number) => `${value < 0.1 ? value.toFixed(4) : value.toFixed(2)} ms`;

function table(ways: readonly Way[]): string {
  const rows = ways.map((way) =>
    row(
      `<td class="stage">${escapeHtml(way.name)}<small>${escapeHtml(way.network)}</small></td>`,
      ...timesOf(way).map((value) => cell(ms(value), "number")),
      cell(rate(way.inputImagesPerSecond), "number"),
      cell(rate(way.imagesPerSecond), "number strong"),
      cell(formatBytes(Math.round(way.bytesRead)), "number"),
      cell(formatBytes(way.bytesFed), "number"),
    ),
  );
  const names = [
    "",
    ...parts.map(([part]) => part),
    "input alone, images/s",
    "training, images/s",
    "bytes read",
    "bytes fed",
  ];
  return wideTable(names, rows);
}

/** Bars as long as the way takes, cut into its parts. */
function bars(ways: readonly Way[]): string {
  const longest = Math.max(...ways.map((way) => timesOf(way).reduce((sum, value) => sum + value, 0)));
  const rows = ways.map((way) => {
    const pieces = timesOf(way).map((value, i) => {
      const [part, style] = parts[i] as (typeof parts)[number];
      return `<span style="width:${((100 * value) / longest).toFixed(2)}%;background:var(--${style})" title="${part}: ${ms(value)}"></span>`;
    });
    return `<p class="way">${escapeHtml(way.name)}</p><div class="ways">${pieces.join("")}</div>`;
  });
  const keys = parts.map(
    ([part, style]) => `<span><i class="key" style="background:var(--${style})"></i> ${part}</span>`,
  );
  return `<p class="keys">${keys.join(" ")}</p>${rows.join("\n")}`;
}
