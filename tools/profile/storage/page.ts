// The page of dctstream profile storage.
import { formatBytes } from "../../options/quantity.js";
import { escapeHtml, lineChart, type Series } from "../../report/charts.js";
import { machineSection } from "../../report/machine.js";
import { cell, renderPage, row, section, wideTable } from "../../report/page.js";
import { headline, rest } from "../../report/sentence.js";
import type { ReadPattern, StorageProfile } from "./measure.js";

/** Colours of the lines, by the size of reads. */
const styles = ["storage", "output", "decode", "views"];

export function renderStorage(profile: StorageProfile): string {
  const { verdict, url, patterns, seconds, cores } = profile;
  return renderPage(
    "dctstream profile storage",
    `<h1>${escapeHtml(headline(verdict))}</h1>
<p class="lead">${escapeHtml(rest(verdict))} ${escapeHtml(url)}</p>
${section("How much comes", speedChart(patterns), "By how many reads are under way at a time, for each size of a read.")}
${section("Reads", patternTable(patterns))}
${machineSection(seconds, cores, {})}`,
  );
}

function speedChart(patterns: readonly ReadPattern[]): string {
  const sizes = [...new Set(patterns.map(({ readBytes }) => readBytes))];
  const series = sizes.map((size, i): Series => {
    const own = patterns.filter(({ readBytes }) => readBytes === size);
    const points = own.map(({ atOnce, bytesPerSecond }) => [atOnce, bytesPerSecond / 2 ** 20] as const);
    return { name: formatBytes(size), style: styles[i % styles.length] as string, points };
  });
  return lineChart(series, { x: "reads at a time", y: "MiB/s" });
}

function patternTable(patterns: readonly ReadPattern[]): string {
  const ms = (value: number) => cell(`${value.toFixed(1)} ms`, "number");
  const rows = patterns.map(({ readBytes, atOnce, bytesPerSecond, p50, p90, p99, reads }) =>
    row(
      cell(formatBytes(readBytes), "number"),
      cell(atOnce, "number"),
      cell(`${formatBytes(Math.round(bytesPerSecond))}/s`, "number strong"),
      ms(p50),
      ms(p90),
      ms(p99),
      cell(reads, "number"),
    ),
  );
  return wideTable(["a read of", "at a time", "speed", "median", "p90", "p99", "reads"], rows);
}
