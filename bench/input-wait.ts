// Whether training ever waits for its input when that is far away: shards on S3 behind so many milliseconds before
// every first byte, against the same steps on one batch that is in memory already. What the trainer reports of its
// waiting must agree with the difference.
//
//   node dist/bench/input-wait.js SHARDS|TARS.. [--network late-concat-rfa-thinner] [--batch 8] [--steps 40]
//       [--delay 50] [--width 1] [--input-size 224]
//
// SHARDS is a local folder; its files, or tars, which are indexed on both sides, are copied to an S3 service of our own
// (Ceph's gateway with its store in memory), which shares the cores.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Loader } from "../src/pipeline/load/loader.js";
import { indexSources } from "../src/pipeline/preprocess/index-sources.js";
import { isTarUrl } from "../src/pipeline/preprocess/sources.js";
import { outputCount } from "../src/shards/class-list.js";
import { countableClasses } from "../src/shards/dataset-classes.js";
import { readManifest } from "../src/shards/manifest.js";
import { at, writableAt } from "../src/storage/at.js";
import { closeStorage, configureStorage } from "../src/storage/store.js";
import { baseName } from "../src/storage/url.js";
import { openEngine } from "../src/train/engine/open-engine.js";
import { networkInput, viewOf } from "../src/train/input.js";
import { buildNetwork, findNetwork } from "../src/train/networks/build.js";
import { train } from "../src/train/run/trainer.js";
import { toTensors } from "../src/train/step/batch.js";
import { stepSettings } from "../src/train/step/plain-step.js";
import { Stepper } from "../src/train/step/step.js";
import { logIn, S3Server } from "../test/support/s3-server.js";
import { medianOf } from "../tools/profile/quantile.js";
import { printMachine } from "./images.js";
import { usually } from "./settings.js";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    network: { type: "string", default: "late-concat-rfa-thinner" },
    batch: { type: "string", default: usually("8", "2") },
    steps: { type: "string", default: usually("40", "2") },
    delay: { type: "string", default: "50" },
    width: { type: "string", default: usually("1", "0.125") },
    "input-size": { type: "string", default: usually("224", "32") },
  },
});
if (positionals.length === 0) throw new Error("usage: node dist/bench/input-wait.js SHARDS|TARS..");
const tars = positionals.every(isTarUrl) ? positionals : undefined;
const { network } = options;
const [batchSize, steps, width, inputSize] = [options.batch, options.steps, options.width, options["input-size"]].map(
  Number,
) as [number, number, number, number];
const rate = 1e-6; // weights that hardly move: nothing but speed is looked at

printMachine();
logIn();
const server = await S3Server.start();
const folder = mkdtempSync(path.join(tmpdir(), "dctstream-bench-"));
const proxy = spawn(
  process.execPath,
  [fileURLToPath(new URL("./slow-proxy.js", import.meta.url)), server.endpoint, options.delay, "200e6"],
  {
    stdio: ["ignore", "pipe", "inherit"],
  },
);
const shards = tars === undefined ? (positionals[0] as string) : path.join(folder, "index");
try {
  await server.bucket("bench");
  configureStorage({ s3: { endpoint: server.endpoint } });
  if (tars !== undefined) await indexSources({ sources: tars, out: shards });
  const { samples } = await (tars === undefined ? copyFolder(shards, "s3://bench/shards") : copyAndIndex(tars));
  const endpoint = await new Promise<string>((resolve) =>
    proxy.stdout.once("data", (line) => resolve(String(line).trim())),
  );
  await closeStorage();
  configureStorage({ s3: { endpoint } });
  console.log(
    `${network}, batch ${batchSize}, ${inputSize} px; ${samples} samples on S3, ${options.delay} ms before each answer\n`,
  );
  const far: number[] = [];
  const near: number[] = [];
  const cached: number[] = [];
  for (let round = 0; round < usually(3, 1); round++) {
    const fromFar = await trainFrom("s3://bench/shards");
    const fromDisk = await trainFrom(shards);
    far.push(fromFar.imagesPerSecond);
    near.push(fromDisk.imagesPerSecond);
    cached.push(await onOneBatch(shards));
    const difference = 1 - fromFar.imagesPerSecond / (cached.at(-1) as number);
    console.log(
      `S3 ${fromFar.imagesPerSecond.toFixed(1)} images/s, waits ${(100 * fromFar.inputStallFraction).toFixed(2)} % by its own account; ` +
        `disk ${fromDisk.imagesPerSecond.toFixed(1)}, waits ${(100 * fromDisk.inputStallFraction).toFixed(2)} %; ` +
        `one batch in memory ${cached.at(-1)?.toFixed(1)}: S3 is ${(100 * difference).toFixed(1)} % slower, with ${fromFar.storage.requests} requests`,
    );
  }
  console.log(
    `\nmedians: S3 ${medianOf(far).toFixed(1)}, disk ${medianOf(near).toFixed(1)}, one batch in memory ${medianOf(cached).toFixed(1)} images/s`,
  );
} finally {
  proxy.kill();
  await closeStorage();
  await server.stop();
  rmSync(folder, { recursive: true });
}

async function copyFolder(from: string, to: string) {
  for (const { url, kind } of await at(from).list()) if (kind === "object") await copy(url, `${to}/${baseName(url)}`);
  return readManifest(to);
}

async function copyAndIndex(sources: readonly string[]) {
  for (const source of sources) await copy(source, `s3://bench/tars/${baseName(source)}`);
  return indexSources({ sources: ["s3://bench/tars/*.tar"], out: "s3://bench/shards" });
}

async function copy(from: string, to: string): Promise<void> {
  const writer = await writableAt(to).create();
  for await (const chunk of at(from).stream()) await writer.write(chunk);
  await writer.commit();
}

/** Without the first step, in which TensorFlow prepares itself, as in the steps on one batch. */
async function trainFrom(manifest: string) {
  const settings = { batchSize, maxSteps: steps + 1, width, inputSize, learningRate: rate, warmupEpochs: 0 };
  const ends: number[] = [];
  const onStep = () => ends.push(performance.now());
  const out = path.join(folder, "run");
  const report = await train({ manifest, network, out, overwrite: true, tensorboard: false, onStep, ...settings });
  const ms = (ends.at(-1) as number) - (ends[0] as number);
  return { ...report, imagesPerSecond: (1000 * steps * batchSize) / ms };
}

/** Images per second of steps on a batch that is there already. */
async function onOneBatch(shards: string): Promise<number> {
  const engine = await openEngine();
  const manifest = await readManifest(shards);
  const definition = findNetwork(network);
  const classes = outputCount(await countableClasses(manifest));
  const built = buildNetwork(engine.tf, network, { classes, width, inputSize });
  const stepper = new Stepper(engine, built, stepSettings(classes, rate));
  await using loader = await Loader.open(manifest, {
    view: viewOf(networkInput(definition, inputSize, undefined), "train"),
    batchSize,
  });
  let speed = 0;
  for await (const batch of loader.epoch(0)) {
    const { inputs, dispose } = toTensors(engine.tf, batch, built.model);
    await stepper.stepOn(inputs, batch, 0);
    const started = performance.now();
    for (let step = 0; step < steps; step++) await stepper.stepOn(inputs, batch, 0);
    speed = (1000 * steps * batchSize) / (performance.now() - started);
    dispose();
    batch.release();
    break;
  }
  stepper.dispose();
  built.model.dispose();
  return speed;
}
