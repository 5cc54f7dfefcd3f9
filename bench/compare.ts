// Networks trained on one data set with one recipe, several seeds each: validation error against speed, as the
// article's figures 4 to 8 have it. Every run is a dctstream train of its own; those that have ended are not made
// again. Speeds are measured afterwards, in turns.
//
//   node dist/bench/compare.js TRAIN VAL --networks ID,ID --config FILE --out FOLDER
//       [--seeds 1,2,3] [--report results.md --svg results.svg] [--speed-steps 60]
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type LoadedManifest, readManifest } from "../src/shards/manifest.js";
import { baseName } from "../src/storage/url.js";
import type { EvaluateReport, TrainReport } from "../src/train/report.js";
import { medianOf } from "../tools/profile/quantile.js";
import { scatterChart } from "./chart.js";
import { usually } from "./settings.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    networks: { type: "string", default: "resnet50-rgb,late-concat-rfa-thinner" },
    config: { type: "string" },
    seeds: { type: "string", default: usually("1,2,3", "1") },
    out: { type: "string" },
    report: { type: "string" },
    svg: { type: "string" },
    "speed-steps": { type: "string", default: usually("60", "2") },
  },
});
const [train, val] = positionals;
const { config, out } = options;
if (train === undefined || val === undefined || config === undefined || out === undefined)
  throw new Error("usage: node dist/bench/compare.js TRAIN VAL --networks ID,ID --config FILE --out FOLDER");
const networks = options.networks.split(",");
const seeds = options.seeds.split(",").map(Number);
const rounds = usually(3, 1);

interface Compared {
  readonly id: string;
  readonly runs: readonly TrainReport[];
  /** Images/s of training and of evaluation: medians of the rounds. */
  readonly training: number;
  readonly evaluation: number;
}

const command = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "tools", "dctstream.js");

/** Runs the command line and returns what it reports; its progress goes to stderr. */
function run<T>(...args: readonly string[]): T {
  const done = spawnSync(process.execPath, [command, ...args, "--json"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (done.status !== 0) throw new Error(`dctstream ${args.join(" ")} ended with ${done.status}`);
  return JSON.parse(done.stdout.trim().split("\n").at(-1) as string) as T;
}

const runFolder = (id: string, seed: number) => path.join(out, `${id}-seed${seed}`);

function trainOne(id: string, seed: number): TrainReport {
  const settings = ["--config", config as string, "--network", id, "--seed", String(seed)];
  return run("train", train as string, "--val", val as string, ...settings, "--out", runFolder(id, seed));
}

/** All networks take turns, so that a slower minute slows all. */
function measureSpeeds(): Map<string, { readonly training: number; readonly evaluation: number }> {
  const speeds = new Map(networks.map((id) => [id, { training: [] as number[], evaluation: [] as number[] }]));
  for (let round = 0; round < rounds; round++) {
    for (const id of networks) {
      const folder = path.join(out as string, "speed");
      const settings = [
        "--config",
        config as string,
        "--network",
        id,
        "--max-steps",
        options["speed-steps"],
        "--overwrite",
      ];
      const { imagesPerSecond } = run<TrainReport>("train", train as string, ...settings, "--out", folder);
      const evaluated = run<EvaluateReport>("evaluate", runFolder(id, seeds[0] as number), val as string);
      speeds.get(id)?.training.push(imagesPerSecond);
      speeds.get(id)?.evaluation.push(evaluated.imagesPerSecond);
      rmSync(folder, { recursive: true });
    }
  }
  return new Map(
    [...speeds].map(([id, { training, evaluation }]) => [
      id,
      { training: medianOf(training), evaluation: medianOf(evaluation) },
    ]),
  );
}

const runs = new Map<string, TrainReport[]>(networks.map((id) => [id, []]));
for (const seed of seeds) for (const id of networks) runs.get(id)?.push(trainOne(id, seed));
const speeds = measureSpeeds();
const compared = networks.map((id): Compared => {
  const { training, evaluation } = speeds.get(id) as { training: number; evaluation: number };
  return { id, runs: runs.get(id) as TrainReport[], training, evaluation };
});

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) =>
  Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / Math.max(1, values.length - 1));
const percent = (share: number) => (100 * share).toFixed(1);
const top1 = ({ runs }: Compared) => runs.map(({ valTop1 }) => valTop1 as number);

function table(): string {
  const first = compared[0] as Compared;
  const header = [
    "network",
    "parameters",
    "top-1, %",
    "seeds",
    "top-5, %",
    "training, images/s",
    "evaluation, images/s",
    "CPU minutes a run",
  ];
  const rows = compared.map((one) => [
    `\`${one.id}\``,
    `${((one.runs[0] as TrainReport).parameters / 1e6).toFixed(2)} M`,
    `**${percent(mean(top1(one)))}** ± ${percent(deviation(top1(one)))}`,
    top1(one).map(percent).join(", "),
    percent(mean(one.runs.map(({ valTop5 }) => valTop5 as number))),
    `${one.training.toFixed(0)} (x ${(one.training / first.training).toFixed(2)})`,
    `${one.evaluation.toFixed(0)} (x ${(one.evaluation / first.evaluation).toFixed(2)})`,
    one.runs.map(({ cpuSeconds }) => (cpuSeconds / 60).toFixed(1)).join(", "),
  ]);
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The first of the tars, and how many there are. */
function tarsOf({ sources }: LoadedManifest): string {
  const [first, ...others] = sources.map(({ url }) => baseName(url));
  return others.length === 0 ? `\`${first}\`` : `\`${first}\` (one of ${sources.length})`;
}

/** A paragraph in lines of at most 120 columns. */
const prose = (text: string) => text.replaceAll("\n", " ").replace(/(?!.{1,120}$)(.{1,120}) /g, "$1\n");

async function report(): Promise<string> {
  const [training, validation] = [await readManifest(train as string), await readManifest(val as string)];
  const settings = readFileSync(config as string, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .join("\n");
  const machine = `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? "an unknown processor"}, Node ${process.version}, ${compared[0]?.runs[0]?.device}`;
  const arguments_ = `${train} ${val} --networks ${networks.join(",")} --config ${path.relative(".", config as string)} --seeds ${seeds.join(",")} --out ${out}`;
  const picture =
    options.svg === undefined || options.report === undefined
      ? ""
      : `\n![Top-1 error against training speed](${path.relative(path.dirname(options.report), options.svg)})\n`;
  return `# Results

Written by

\`\`\`sh
node dist/bench/compare.js ${arguments_}${options.report === undefined ? "" : ` --report ${options.report}`}${options.svg === undefined ? "" : ` --svg ${options.svg}`}
\`\`\`

${prose(`on ${machine}. ${training.samples} pictures of ${training.classes.length} classes to train on, ${validation.samples} others to validate on,
from coefficient shards of ${tarsOf(training)} and ${tarsOf(validation)}, compression ${training.codec}
(${training.classes
  .map(({ name, synset }) => name ?? synset)
  .slice(0, 10)
  .join(", ")}).`)}

${table()}

${prose(`± is the standard deviation over the seeds, which decide weights, order and augmentation. Validation counts every
picture once, after the last epoch; nothing was chosen by it. Speeds are medians of ${rounds} runs in turns, each of
${options["speed-steps"]} steps from shards, and whole evaluations.`)}
${picture}
The recipe, for all networks alike (\`${path.relative(".", config as string)}\`):

\`\`\`yaml
${settings}
\`\`\`

One of the runs:

\`\`\`sh
npx dctstream train ${train} --val ${val} --network ${networks.at(-1)} --seed ${seeds[0]} --config ${path.relative(".", config as string)} --out runs/1
\`\`\`
`;
}

const text = await report();
console.log(text);
if (options.report !== undefined) writeFileSync(options.report, text);
if (options.svg !== undefined) {
  const points = compared.map((one) => {
    const errors = top1(one).map((share) => 100 * (1 - share));
    return {
      id: one.id,
      speed: one.training,
      error: mean(errors),
      span: [Math.min(...errors), Math.max(...errors)] as const,
    };
  });
  writeFileSync(
    options.svg,
    scatterChart(points, { speed: "images/s while training, two cores", error: "top-1 error, %" }),
  );
}
