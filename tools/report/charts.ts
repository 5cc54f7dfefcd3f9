// The report's charts, as SVG text. Colours come from the page's style sheet.

export interface Series {
  readonly name: string;
  /** CSS class that colours it. */
  readonly style: string;
  readonly points: readonly (readonly [number, number])[];
}

interface Axis {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
}

const box = { left: 70, right: 610, top: 14, bottom: 250, width: 640, height: 300 } as const;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] as string);
}

/** Round numbers that cover [0, max] in four to eight steps. */
function niceTicks(max: number): number[] {
  const rough = max / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) as number) * power;
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, i) => i * step);
}

const scaleX = (axis: Axis, value: number) =>
  box.left + ((value - axis.min) / (axis.max - axis.min)) * (box.right - box.left);
const scaleY = (axis: Axis, value: number) =>
  box.bottom - ((value - axis.min) / (axis.max - axis.min)) * (box.bottom - box.top);

function frame(x: Axis, y: Axis, content: string, title: string): string {
  const rows = y.ticks.map((tick) => {
    const at = scaleY(y, tick).toFixed(1);
    return `<line class="grid" x1="${box.left}" x2="${box.right}" y1="${at}" y2="${at}"/><text class="tick" x="${box.left - 8}" y="${at}" dy="4" text-anchor="end">${y.format(tick)}</text>`;
  });
  const columns = x.ticks.map(
    (tick) =>
      `<text class="tick" x="${scaleX(x, tick).toFixed(1)}" y="${box.bottom + 20}" text-anchor="middle">${x.format(tick)}</text>`,
  );
  return `<svg viewBox="0 0 ${box.width} ${box.height}" role="img" aria-label="${escapeHtml(title)}">
${rows.join("\n")}
${columns.join("\n")}
<text class="axis" x="${(box.left + box.right) / 2}" y="${box.height - 8}" text-anchor="middle">${escapeHtml(x.label)}</text>
<text class="axis" transform="translate(14 ${(box.top + box.bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(y.label)}</text>
${content}
</svg>`;
}

/** Exponential moving average: a batch's loss is noisy, its trend is what one looks at. */
function smoothed(points: Series["points"]): Series["points"] {
  let average = points[0]?.[1] ?? 0;
  return points.map(([x, y], i) => {
    average = i === 0 ? y : average + 0.15 * (y - average);
    return [x, average] as const;
  });
}

export function lineChart(series: readonly Series[], xLabel: string, yLabel: string): string {
  const all = series.flatMap(({ points }) => points);
  const yTicks = niceTicks(Math.max(...all.map(([, y]) => y)));
  const xTicks = niceTicks(Math.max(...all.map(([x]) => x)));
  const x: Axis = {
    label: xLabel,
    min: 0,
    max: Math.max(...all.map(([value]) => value)),
    ticks: xTicks.slice(0, -1),
    format: (value) => String(value),
  };
  const y: Axis = {
    label: yLabel,
    min: 0,
    max: yTicks.at(-1) as number,
    ticks: yTicks,
    format: (value) => value.toFixed(1),
  };
  const path = (points: Series["points"]) =>
    points
      .map(([px, py], i) => `${i === 0 ? "M" : "L"}${scaleX(x, px).toFixed(1)} ${scaleY(y, py).toFixed(1)}`)
      .join("");
  const lines = series.map(
    ({ style, points }) =>
      `<path class="line faint ${style}" d="${path(points)}"/><path class="line ${style}" d="${path(smoothed(points))}"/>`,
  );
  return frame(x, y, lines.join("\n"), `${yLabel} over ${xLabel}`);
}

export function scatterChart(series: readonly Series[], xLabel: string, yLabel: string): string {
  const xTicks = niceTicks(Math.max(...series.flatMap(({ points }) => points.map(([x]) => x))) * 1.15);
  const x: Axis = {
    label: xLabel,
    min: 0,
    max: xTicks.at(-1) as number,
    ticks: xTicks,
    format: (value) => String(value),
  };
  const y: Axis = { label: yLabel, min: 0, max: 100, ticks: [0, 20, 40, 60, 80, 100], format: (value) => `${value} %` };
  const marks = series.flatMap(({ name, style, points }) =>
    points.map(([px, py]) => {
      const place = `cx="${scaleX(x, px).toFixed(1)}" cy="${scaleY(y, py).toFixed(1)}"`;
      return `<circle class="mark ${style}" ${place} r="7"><title>${escapeHtml(name)}</title></circle>`;
    }),
  );
  return frame(x, y, marks.join("\n"), `${yLabel} against ${xLabel}`);
}
