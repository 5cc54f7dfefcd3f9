// Runs in the reader's browser, inlined into the page behind Chart.js: draws every chart of the page, again when the
// colours change.
import type { Chart as ChartClass, ChartConfiguration, ChartDataset } from "chart.js";
import type { ChartSpec, Series } from "./charts.js";

declare const Chart: typeof ChartClass;

const dark = matchMedia("(prefers-color-scheme: dark)");
let drawn: ChartClass[] = [];

const color = (name: string) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || "gray";
const faint = (name: string, share: number) =>
  `color-mix(in srgb, ${color(name)} ${Math.round(100 * share)}%, transparent)`;
const points = (series: Series) => series.points.map(([x, y]) => ({ x, y }));

/** Exponential moving average: a batch's loss is noisy, its trend is what one looks at. */
function smoothed(series: Series): { x: number; y: number }[] {
  let average = series.points[0]?.[1] ?? 0;
  return series.points.map(([x, y]) => {
    average += 0.15 * (y - average);
    return { x, y: average };
  });
}

function axis(title: string, max?: number) {
  return {
    type: "linear" as const,
    title: { display: true, text: title, color: color("soft") },
    ticks: { color: color("soft"), maxTicksLimit: 8, maxRotation: 0 },
    grid: { color: color("line") },
    beginAtZero: true,
    ...(max !== undefined && { max }),
  };
}

function linesOf(spec: Extract<ChartSpec, { kind: "line" }>): ChartDataset<"line">[] {
  const line = (series: Series) => ({
    label: series.name,
    borderColor: color(series.style),
    borderWidth: 2,
    pointRadius: 0,
  });
  const few = (series: Series) =>
    series.points.length < 40 ? { pointRadius: 3, backgroundColor: color(series.style) } : {};
  if (spec.smooth !== true)
    return spec.series.map((series) => ({ ...line(series), ...few(series), data: points(series) }));
  return spec.series.flatMap((series) => [
    { ...line(series), data: smoothed(series) },
    { ...line(series), label: "", borderColor: faint(series.style, 0.25), borderWidth: 1, data: points(series) },
  ]);
}

function configOf(spec: ChartSpec): ChartConfiguration {
  const named = { labels: { color: color("ink"), boxWidth: 12, filter: ({ text }: { text: string }) => text !== "" } };
  const options = {
    animation: false as const,
    maintainAspectRatio: false,
    plugins: { legend: { display: spec.series.length > 1, ...named } },
  };
  if (spec.kind === "timeline") {
    const datasets = spec.series.map(({ name, style, spans }) => ({
      label: name,
      backgroundColor: color(style),
      grouped: false,
      barPercentage: 0.8,
      categoryPercentage: 0.95,
      data: spans.map(([lane, from, to]) => ({ x: [from, to], y: spec.lanes[lane] })),
    }));
    const rows = { ticks: { color: color("ink"), autoSkip: false }, grid: { display: false } };
    const scales = {
      x: { ...axis(spec.axes.x), stacked: false },
      y: { ...rows, type: "category", labels: [...spec.lanes] },
    };
    return {
      type: "bar",
      data: { datasets },
      options: { ...options, indexAxis: "y", scales },
    } as unknown as ChartConfiguration;
  }
  const scales = {
    x: { ...axis(spec.axes.x), beginAtZero: spec.kind === "scatter" },
    y: axis(spec.axes.y, spec.axes.yMax),
  };
  if (spec.kind === "scatter") {
    const datasets = spec.series.map((series) => ({
      label: series.name,
      backgroundColor: color(series.style),
      pointRadius: 7,
      pointHoverRadius: 9,
      data: points(series),
    }));
    return { type: "scatter", data: { datasets }, options: { ...options, scales } };
  }
  const interaction = { mode: "nearest", axis: "x", intersect: false } as const;
  if (spec.kind === "stack") {
    const datasets = spec.series.map((series, i) => ({
      label: series.name,
      data: points(series),
      borderColor: color(series.style),
      backgroundColor: faint(series.style, 0.55),
      borderWidth: 1,
      pointRadius: 0,
      fill: i === 0 ? "origin" : "-1",
      stepped: "middle" as const,
    }));
    const stacked = { ...scales, y: { ...scales.y, stacked: true } };
    return { type: "line", data: { datasets }, options: { ...options, interaction, scales: stacked } };
  }
  return { type: "line", data: { datasets: linesOf(spec) }, options: { ...options, interaction, scales } };
}

function draw(): void {
  for (const chart of drawn) chart.destroy();
  drawn = Array.from(document.querySelectorAll<HTMLCanvasElement>("canvas[data-chart]"), (canvas) => {
    return new Chart(canvas, configOf(JSON.parse(canvas.dataset.chart as string) as ChartSpec));
  });
}

draw();
dark.addEventListener("change", draw);
