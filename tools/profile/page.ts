// The page of a profile: the verdict, where the pipeline is narrow, and what its threads did when.
import { formatBytes, formatShare } from "../options/quantity.js";
import { escapeHtml, type Series, stackChart, timelineChart } from "../report/charts.js";
import { machineSection } from "../report/machine.js";
import { cell, renderPage, row, section, wideTable } from "../report/page.js";
import { headline, rest } from "../report/sentence.js";
import type { Lane, Recording, Span } from "./recording.js";
import type { Profile, Stage } from "./stage.js";
import { describeRecommendation } from "./text.js";
import { percent, rate } from "./verdict.js";

/** The length of the timeline: as much as can be distinguished. */
const timelineMs = 1500;
const mostBars = 500;
const mostLanes = 24;
const mostSteps = 600;

export function renderProfile(profile: Profile, recording: Recording): string {
  const { what, verdict } = profile;
  return renderPage(
    `dctstream profile ${what}`,
    `<h1>${escapeHtml(headline(verdict))}</h1>
<p class="lead">${escapeHtml(rest(verdict))}</p>
${profileSections(profile, recording)}`,
  );
}

/** All of it but the title: for pages that contain more. */
export function profileSections(profile: Profile, recording: Recording): string {
  return [
    section(
      "The pipeline",
      profile.stages.length > 1 ? flowPicture(profile) : "",
      "How wide each stage is, by the images a second it could do alone (logarithmic), and the stream that goes through all of them.",
    ),
    profile.what === "network" ? "" : section("What to change", recommendations(profile)),
    section("Stages", stageTable(profile.stages)),
    stepSection(recording),
    timelineSection(recording, profile.stages),
    section("Single pieces of work", percentileTable(profile)),
    sweepSection(profile),
    machineSection(profile.seconds, profile.cores, profile.limits),
  ].join("\n");
}

/** A stage without figures of its own is as wide as the widest. */
function flowPicture({ stages, imagesPerSecond, bottleneck }: Profile): string {
  const capacities = stages.map((stage) => Math.max(imagesPerSecond, stage.imagesPerSecondAlone ?? imagesPerSecond));
  const widest = Math.max(...capacities, imagesPerSecond * 4);
  const least = imagesPerSecond / 3;
  const width = (value: number) => 100 * (Math.log(Math.max(value, least * 1.2) / least) / Math.log(widest / least));
  const ducts = stages.map((stage, i) => {
    const narrow = stage.name === bottleneck ? " narrow" : "";
    const style = `--alone:${width(capacities[i] as number).toFixed(1)}%;--stream:${width(imagesPerSecond).toFixed(1)}%;--own:var(--${stage.name})`;
    const threads = stage.threads > 1 ? ` × ${stage.threads}` : "";
    const alone =
      stage.imagesPerSecondAlone === undefined ? "" : `<small>${rate(stage.imagesPerSecondAlone)}/s alone</small>`;
    return `<div class="duct${narrow}" style="${style}"><div class="pipe"><span></span></div><p><strong>${escapeHtml(stage.name)}${threads}</strong>${alone}<small>busy ${percent(stage.busy)}</small></p></div>`;
  });
  return `<div class="flow">${ducts.join("")}</div><p class="lead">${rate(imagesPerSecond)} images/s go through.${bottleneck === "cores" ? " The processor's cores are what is narrow: no stage has time of its own left." : ""}</p>`;
}

function recommendations({ recommendations: list, headroom }: Profile): string {
  const room =
    headroom === undefined
      ? ""
      : `<p>Faster input would win ${percent(headroom.fasterInput)} at most. The loader alone could feed a device ${(1 + headroom.fasterDevice).toFixed(1)} times as fast.</p>`;
  if (list.length === 0) return `<p>No setting promises 5 %.</p>${room}`;
  return `<ul>${list.map((each) => `<li>${escapeHtml(describeRecommendation(each))}</li>`).join("")}</ul>${room}`;
}

function stageTable(stages: readonly Stage[]): string {
  const names = [
    "stage",
    "alone",
    "in pipeline",
    "time",
    "busy",
    "waits for input",
    "waits for output",
    "queue, mean and p90",
    "bytes/s",
    "limit",
    "reached",
  ];
  const figure = (value: number | undefined) => (value === undefined ? "-" : rate(value));
  const rows = stages.map((stage) => {
    const { name, threads, busy, waitForInput, waitForOutput, queueDepth, limit } = stage;
    const parts = Object.entries(stage.parts).map(([part, share]) => `${percent(share)} ${part}`);
    const told = parts.length === 0 ? "" : `<small>${escapeHtml(parts.join(", "))}</small>`;
    return row(
      `<td class="stage"><span class="key" style="background:var(--${name})"></span> ${escapeHtml(name)}${threads > 1 ? ` × ${threads}` : ""}${told}</td>`,
      cell(figure(stage.imagesPerSecondAlone), "number"),
      cell(rate(stage.imagesPerSecond), "number"),
      `<td><div class="shares" style="--own:var(--${name})"><span style="width:${(100 * busy).toFixed(1)}%"></span><i style="width:${(100 * waitForInput).toFixed(1)}%"></i></div></td>`,
      cell(formatShare(busy), "number"),
      cell(formatShare(waitForInput), "number"),
      cell(formatShare(waitForOutput), "number"),
      cell(queueDepth === undefined ? "-" : `${queueDepth.mean.toFixed(1)}, ${queueDepth.p90}`, "number"),
      cell(stage.bytesPerSecond > 0 ? formatBytes(Math.round(stage.bytesPerSecond)) : "-", "number"),
      limit === undefined
        ? cell("-")
        : `<td class="number">${rate(limit.imagesPerSecond)}<small>${escapeHtml(limit.what)}</small></td>`,
      cell(limit === undefined ? "-" : formatShare(limit.reached), "number"),
    );
  });
  return `${wideTable(names, rows)}
<p class="lead">Images a second. Time: busy in colour, waiting for input hatched, waiting for room for output empty.</p>`;
}

/** What the last stage computed and what it waited, one after the other. */
function stepSection({ spans }: Recording): string {
  const stage = spans.findLast(({ name }) => name === "wait")?.stage;
  if (stage === undefined || stage === "storage") return "";
  const own = spans.filter((span) => span.stage === stage).sort((a, b) => a.began - b.began);
  const pairs: { wait: number; work: number }[] = [];
  for (const { name, began, ended } of own) {
    if (name === "wait") pairs.push({ wait: ended - began, work: 0 });
    else if (pairs.length > 0) (pairs.at(-1) as { work: number }).work += ended - began;
  }
  const shown = pairs.slice(-mostSteps);
  if (shown.length < 2) return "";
  const of = (pick: (pair: (typeof pairs)[number]) => number) => shown.map((pair, i) => [i + 1, pick(pair)] as const);
  const series: Series[] = [
    { name: stage === "step" ? "compute" : "use", style: "step", points: of(({ work }) => work) },
    { name: "wait for input", style: "wait", points: of(({ wait }) => wait) },
  ];
  const title = stage === "step" ? "Every step: compute against wait" : "Every batch: what it was waited for";
  return section(title, stackChart(series, { x: stage === "step" ? "step" : "batch", y: "milliseconds" }));
}

/** Waiting for storage is storage's work; other waits are nobody's. */
const isWork = (name: string, stage: string) => name !== "wait" || stage === "storage";

/** A piece from the middle: the ends are less usual. */
function timelineSection(recording: Recording, order: readonly Stage[]): string {
  const { spans } = recording;
  if (spans.length === 0) return "";
  const times = spans.map(({ began }) => began).sort((a, b) => a - b);
  const middle = times[times.length >> 1] as number;
  const rankOf = (stage: string) => order.findIndex(({ name }) => name === stage);
  const used = ({ spans: all }: Lane) => all.some(({ name, stage }) => isWork(name, stage));
  const lanes = recording
    .lanes()
    .filter(used)
    .sort((a, b) => rankOf(a.stage) - rankOf(b.stage))
    .slice(0, mostLanes);
  let from = middle - timelineMs / 2;
  let to = middle + timelineMs / 2;
  const inside = ({ began, ended, name, stage }: Span) => ended > from && began < to && isWork(name, stage);
  while (lanes.flatMap((lane) => lane.spans.filter(inside)).length > mostBars) {
    from = middle - (middle - from) / 2;
    to = middle + (to - middle) / 2;
  }
  const stages = [...new Set(lanes.map(({ stage }) => stage))];
  const series = stages.map((stage) => ({
    name: stage,
    style: stage === "consumer" ? "step" : stage,
    spans: lanes.flatMap((lane, i) =>
      lane.stage === stage
        ? lane.spans
            .filter(inside)
            .map(({ began, ended }) => [i, Math.max(0, began - from), Math.min(to, ended) - from] as const)
        : [],
    ),
  }));
  const names = lanes.map(({ name }) => name);
  const chart = timelineChart("what every thread did when", names, series, "milliseconds");
  return section(
    "What every thread did",
    chart,
    `${Math.round(to - from)} milliseconds from the middle of the measurement.`,
  );
}

function percentileTable({ percentiles }: Profile): string {
  if (percentiles.length === 0) return "";
  const ms = (value: number) => cell(`${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`, "number");
  const rows = percentiles.map(({ what, count, p50, p90, p99, max }) =>
    row(cell(what), cell(count.toLocaleString("en"), "number"), ms(p50), ms(p90), ms(p99), ms(max)),
  );
  return wideTable(["", "count", "median", "p90", "p99", "longest"], rows);
}

function sweepSection({ sweep = [] }: Profile): string {
  if (sweep.length === 0) return "";
  const names = Object.keys(sweep[0]?.settings ?? {});
  const rows = sweep.map(({ settings, predicted, measured }) =>
    row(
      ...names.map((name) => cell(settings[name] ?? "-", "number")),
      cell(rate(predicted), "number"),
      cell(rate(measured), "number strong"),
      cell(`${predicted >= measured ? "+" : "−"}${percent(Math.abs(predicted / measured - 1))}`, "number"),
    ),
  );
  return section(
    "Other settings",
    wideTable([...names, "predicted, images/s", "measured", "prediction is off by"], rows),
  );
}
