// A profile as text: the verdict, a table of the stages, what to change.
import { formatBytes, formatShare as share } from "../options/quantity.js";
import { table } from "../table.js";
import type { Profile, Recommendation, Stage, SweepRun } from "./stage.js";
import { percent, rate } from "./verdict.js";

const figure = (value: number | undefined) => (value === undefined ? "-" : rate(value));

const columns = [
  "stage",
  "images/s alone",
  "in pipeline",
  "busy",
  "waits for input",
  "waits for output",
  "queue",
  "p90",
  "bytes/s",
  "limit, images/s",
  "reached",
  "measured by",
];

const row = (stage: Stage) => [
  stage.threads > 1 ? `${stage.name} (${stage.threads})` : stage.name,
  figure(stage.imagesPerSecondAlone),
  rate(stage.imagesPerSecond),
  share(stage.busy),
  share(stage.waitForInput),
  share(stage.waitForOutput),
  stage.queueDepth?.mean.toFixed(1) ?? "-",
  String(stage.queueDepth?.p90 ?? "-"),
  stage.bytesPerSecond > 0 ? formatBytes(Math.round(stage.bytesPerSecond)) : "-",
  figure(stage.limit?.imagesPerSecond),
  stage.limit === undefined ? "-" : share(stage.limit.reached),
  stage.limit?.what ?? "-",
];

export function describeStages(stages: readonly Stage[]): string {
  const parts = stages
    .filter(({ parts }) => Object.keys(parts).length > 0)
    .map(({ name, parts }) => {
      const told = Object.entries(parts).map(([part, of]) => `${percent(of)} ${part}`);
      return `${name} spends its time on: ${told.join(", ")}`;
    });
  return [table(columns, stages.map(row), 1, ["measured by"]), ...parts].join("\n");
}

/** "--workers 4: about +70 %, until storage limits at 5,100 images/s". */
export function describeRecommendation({ change, gain, until, imagesPerSecond }: Recommendation): string {
  const limit =
    until === undefined ? "" : `, where ${until.what === "cores" ? "the cores limit" : `${until.what} limits`}`;
  const more = gain < 2 ? `+${percent(gain)}` : `${(1 + gain).toFixed(1)} x`;
  return `${change}: about ${more}, to ${rate(imagesPerSecond)} images/s${limit}`;
}

function describeSweep(runs: readonly SweepRun[]): string {
  const names = Object.keys(runs[0]?.settings ?? {});
  const rows = runs.map(({ settings, predicted, measured }) => [
    ...names.map((name) => settings[name] ?? "-"),
    rate(predicted),
    rate(measured),
    `${predicted >= measured ? "+" : "-"}${percent(Math.abs(predicted / measured - 1))}`,
  ]);
  return table([...names, "predicted, images/s", "measured", "prediction is off by"], rows, 0);
}

export function describeProfile(profile: Profile): string {
  const { verdict, stages, recommendations, headroom, cores, sweep = [] } = profile;
  const room =
    headroom === undefined
      ? []
      : [
          `headroom: faster input would win ${percent(headroom.fasterInput)} at most; the loader could feed a device ${(1 + headroom.fasterDevice).toFixed(1)} times as fast`,
        ];
  const changes =
    recommendations.length === 0
      ? ["nothing to change: no setting promises 5 %"]
      : recommendations.map(describeRecommendation);
  return [
    verdict,
    "",
    describeStages(stages),
    `cores: ${cores.count}, ${percent(cores.busy)} busy, ${cores.msPerImage.toFixed(3)} ms of one per image`,
    ...room,
    "",
    ...changes,
    ...(sweep.length === 0 ? [] : ["", describeSweep(sweep)]),
  ].join("\n");
}
