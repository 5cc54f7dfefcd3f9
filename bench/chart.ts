// Charts in the style of the article's figures: error against speed, one mark per network; those whose error is not
// known stand on lines of their own below.

interface Point {
  readonly id: string;
  /** Images/s. */
  readonly speed: number;
  /** In %, NaN where it is not known. */
  readonly error: number;
  /** Where it varies from run to run: the lowest and the highest. */
  readonly span?: readonly [number, number];
}

interface ChartText {
  readonly speed: string;
  readonly error: string;
}

const width = 900;
const plot = { left: 70, right: 870, top: 30, bottom: 330 } as const;

const color = (id: string) =>
  /resnet50|less-id|channels/.test(id) ? "#64748b" : /vit|dct-resnet/.test(id) ? "#d97706" : "#2563eb";

/** Round numbers that cover all values, in four to eight steps. */
function ticksOver(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rough = Math.max(high - low, 0.1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 3, 5, 10].find((factor) => factor * power >= rough) as number) * power;
  const first = Math.floor(low / step);
  return Array.from({ length: Math.ceil(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

export function scatterChart(points: readonly Point[], labels: ChartText): string {
  const height = points.every(({ error }) => Number.isFinite(error)) ? 390 : 600;
  const speeds = points.map(({ speed }) => speed);
  const [low, high] = [0, 10 * Math.ceil((1.05 * Math.max(...speeds)) / 10)];
  const known = points.filter(({ error }) => Number.isFinite(error));
  const errors = ticksOver(known.flatMap(({ error, span = [error, error] }) => [error, ...span]));
  const [best, worst] = [errors[0] as number, errors.at(-1) as number];
  const x = (speed: number) => plot.left + ((speed - low) / (high - low)) * (plot.right - plot.left);
  const y = (error: number) => plot.top + ((error - best) / (worst - best)) * (plot.bottom - plot.top);
  const text = (at: [number, number], content: string, more = "") =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${content}</text>`;
  const step = high > 100 ? 20 : 10;
  const ticks = Array.from({ length: Math.floor(high / step) + 1 }, (_, i) => i * step);
  const grid = [
    ...ticks.map(
      (tick) =>
        `<line x1="${x(tick)}" x2="${x(tick)}" y1="${plot.top}" y2="${height - 40}" class="grid"/>${text([x(tick), height - 22], String(tick), 'text-anchor="middle"')}`,
    ),
    ...errors.map(
      (tick) =>
        `<line x1="${plot.left}" x2="${plot.right}" y1="${y(tick)}" y2="${y(tick)}" class="grid"/>${text([plot.left - 8, y(tick) + 4], tick.toFixed(1), 'text-anchor="end"')}`,
    ),
  ];
  const marks = known.map(({ id, speed, error, span: [low, high] = [error, error] }) => {
    const at = x(speed).toFixed(1);
    const before = x(speed) > plot.right - 200;
    const name = text([x(speed) + (before ? -10 : 10), y(error) + 4], id, before ? 'text-anchor="end"' : "");
    const range = `<line x1="${at}" x2="${at}" y1="${y(low).toFixed(1)}" y2="${y(high).toFixed(1)}" stroke="${color(id)}"/>`;
    return `${range}<circle cx="${at}" cy="${y(error).toFixed(1)}" r="6" fill="${color(id)}"/>${name}`;
  });
  const rest = points.filter(({ error }) => !Number.isFinite(error)).sort((a, b) => a.speed - b.speed);
  // Each name in the first row where it writes over none before it.
  const ends: number[] = [];
  const others = rest.map(({ id, speed }) => {
    const before = x(speed) > plot.right - 110;
    const span = 6.5 * id.length + 22;
    const start = before ? x(speed) - span : x(speed) - 6;
    const free = ends.findIndex((end) => end < start);
    const row = free === -1 ? ends.length : free;
    ends[row] = start + span;
    const y = plot.bottom + 40 + row * 18;
    const anchor = before ? 'class="small" text-anchor="end"' : 'class="small"';
    return `<circle cx="${x(speed).toFixed(1)}" cy="${y}" r="4.5" fill="${color(id)}"/>${text([x(speed) + (before ? -9 : 9), y + 4], id, anchor)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#334155">
<style>.grid { stroke: #cbd5e1; stroke-width: 1 } .small { font-size: 11px }</style>
<rect width="${width}" height="${height}" fill="#fff"/>
${grid.join("\n")}
${marks.join("\n")}
${rest.length === 0 ? "" : text([plot.left, plot.bottom + 22], "no published error", 'class="small"')}
${others.join("\n")}
${text([(plot.left + plot.right) / 2, height - 4], labels.speed, 'text-anchor="middle"')}
${text([18, (plot.top + plot.bottom) / 2], labels.error, `text-anchor="middle" transform="rotate(-90 18 ${(plot.top + plot.bottom) / 2})"`)}
</svg>
`;
}
