// The reports' charts. What to draw travels in the page as JSON; client.ts draws it there with Chart.js, in the page's
// own colours.
import { printable, printableJson } from "../../src/printable.js";

export interface Series {
  readonly name: string;
  /** Which of the page's colours it has: the name of a CSS variable, such as "dct" or a stage. */
  readonly style: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface Axes {
  readonly x: string;
  readonly y: string;
  /** The y axis goes from 0 to this; to the largest value when left out. */
  readonly yMax?: number;
}

/** What client.ts gets. */
export type ChartSpec =
  | { readonly kind: "line"; readonly axes: Axes; readonly series: readonly Series[]; readonly smooth?: boolean }
  /** Areas on top of each other; all series have the same x. */
  | { readonly kind: "stack"; readonly axes: Axes; readonly series: readonly Series[] }
  | { readonly kind: "scatter"; readonly axes: Axes; readonly series: readonly Series[] }
  /** Work over time, a row per lane: which, from and to. */
  | {
      readonly kind: "timeline";
      readonly axes: Pick<Axes, "x">;
      readonly lanes: readonly string[];
      readonly series: readonly {
        readonly name: string;
        readonly style: string;
        readonly spans: readonly (readonly [number, number, number])[];
      }[];
    };

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Text as it stands between tags and in quoted attributes; what would turn or hide the text around it is written out.
 */
export function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (c) => entities[c] as string);
}

/** `title` is read to who does not see the chart. */
function chart(title: string, height: number, spec: ChartSpec): string {
  const data = escapeHtml(
    printableJson(spec, (_, value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value)),
  );
  return `<div class="chart" style="height:${height}px"><canvas role="img" aria-label="${escapeHtml(title)}" data-chart="${data}"></canvas></div>`;
}

/** Lines over a continuous x; `smooth`: noisy values are drawn faintly behind their moving average. */
export function lineChart(series: readonly Series[], axes: Axes, options: { readonly smooth?: boolean } = {}): string {
  return chart(`${axes.y} over ${axes.x}`, 300, { kind: "line", axes, series, ...options });
}

export function stackChart(series: readonly Series[], axes: Axes): string {
  return chart(`${axes.y} over ${axes.x}`, 260, { kind: "stack", axes, series });
}

export function scatterChart(series: readonly Series[], axes: Axes): string {
  return chart(`${axes.y} against ${axes.x}`, 300, { kind: "scatter", axes, series });
}

type Timeline = Extract<ChartSpec, { kind: "timeline" }>;

export function timelineChart(title: string, lanes: Timeline["lanes"], series: Timeline["series"], x: string): string {
  return chart(title, 70 + 26 * lanes.length, { kind: "timeline", axes: { x }, lanes, series });
}
