// dctstream demo: the main job end to end on generated pictures.
import { availableParallelism, cpus } from "node:os";
import { ToolkitError } from "../../src/errors.js";
import { text } from "../../src/options/kinds.js";
import { complete, optionTable } from "../../src/options/table.js";
import { preprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { readManifest } from "../../src/shards/manifest.js";
import { verify } from "../../src/shards/verify.js";
import { putObject } from "../../src/storage/objects.js";
import { joinUrl } from "../../src/storage/url.js";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { evaluateModel } from "../../src/train/evaluate.js";
import { presets } from "../../src/train/presets.js";
import type { StepReport } from "../../src/train/report.js";
import { train } from "../../src/train/run/trainer.js";
import { runOptions } from "../../src/train/run-options.js";
import { loadCheckpoint } from "../../src/train/saved/checkpoint.js";
import { type CommandContext, defineCommand } from "../command.js";
import { writeDemoDataset } from "../demo/dataset.js";
import { type DemoRun, renderReport } from "../demo/report.js";

const pictures = { training: 1600, validation: 400, seed: 7 } as const;
const recipe = presets.tiny;

const networks = [
  { id: "resnet50-rgb", title: "Pixels", style: "pixel" },
  { id: "late-concat-rfa-thinner", title: "DCT coefficients", style: "dct" },
] as const;

const demoOptions = optionTable({
  out: { kind: text, default: "demo-output", describe: "Folder for everything the demo makes" },
  epochs: {
    ...runOptions.epochs,
    default: recipe.epochs,
    describe: "Passes over the training pictures, per network",
    group: "Options",
  },
  workers: { ...preprocessOptions.workers, describe: "Threads for preprocessing", group: "Options" },
});

export const demoCommand = defineCommand({
  options: demoOptions,
  run: async (options, context) => {
    const { out, epochs, workers } = complete(demoOptions, options);
    const started = performance.now();
    await openEngine(); // its absence must not be found out after the pictures are made
    const { examples, preprocessed, trainManifest, valManifest } = await makeShards(out, workers, context);
    const runs: DemoRun[] = [];
    for (const network of networks)
      runs.push(await runNetwork(network, out, trainManifest, valManifest, epochs, context));
    const machine = `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? "an unknown processor"}`;
    const seconds = (performance.now() - started) / 1000;
    const report = joinUrl(out, "report.html");
    await putObject(report, renderReport({ examples, preprocess: preprocessed, runs, seconds, machine }));
    const results = runs.map(
      ({ train: { network, imagesPerSecond, inputStallFraction, loss, checkpoint }, evaluate: { top1, top5 } }) => ({
        network,
        top1,
        top5,
        loss,
        imagesPerSecond,
        inputStallFraction,
        checkpoint,
      }),
    );
    const lines = results.map(
      ({ network, top1, imagesPerSecond }) =>
        `${network.padEnd(26)} top-1 ${(100 * top1).toFixed(1)} %, ${imagesPerSecond} images/s while training`,
    );
    const result = { results, preprocess: preprocessed, seconds: Math.round(seconds), report };
    return { result, text: [...lines, `${Math.round(seconds)} s in all`, `report: ${report}`].join("\n") };
  },
});

async function makeShards(out: string, workers: number, context: CommandContext) {
  const { log, signal } = context;
  log(`demo: drawing ${pictures.training + pictures.validation} pictures of 8 classes`);
  const training = await writeDemoDataset(joinUrl(out, "jpegs"), "train", pictures.training, pictures.seed);
  const validation = await writeDemoDataset(joinUrl(out, "jpegs"), "val", pictures.validation, pictures.seed);
  log("demo: preprocessing them into coefficient shards");
  const common = { workers, overwrite: true, signal };
  const preprocessed = await preprocess({ sources: training.tars, out: joinUrl(out, "train-shards"), ...common });
  const val = await preprocess({ sources: validation.tars, out: joinUrl(out, "val-shards"), ...common });
  log(
    `demo: ${preprocessed.samples} samples at ${preprocessed.imagesPerSecond} images/s, ${preprocessed.failed} broken files skipped`,
  );
  const checked = await verify(preprocessed.manifest, { signal });
  const damage = checked.corrupt[0];
  if (damage !== undefined)
    throw new ToolkitError(damage.code, `the shards just written are damaged: ${damage.message}`, damage);
  return { examples: training.examples, preprocessed, trainManifest: preprocessed.manifest, valManifest: val.manifest };
}

async function runNetwork(
  { id, title, style }: (typeof networks)[number],
  out: string,
  manifest: string,
  valManifest: string,
  epochs: number,
  context: CommandContext,
): Promise<DemoRun> {
  const steps: StepReport[] = [];
  context.log(`demo: training ${id} for ${epochs} epochs`);
  const trained = await train({
    manifest,
    network: id,
    out: joinUrl(out, id),
    overwrite: true,
    preset: "tiny",
    epochs,
    seed: pictures.seed,
    signal: context.signal,
    onStep: (step) => {
      steps.push(step);
      if (step.step % 50 === 0)
        context.log(
          `demo:   step ${step.step}/${step.steps}  loss ${step.loss.toFixed(3)}  ${step.imagesPerSecond.toFixed(0)} images/s`,
        );
    },
  });
  const engine = await openEngine();
  const { logits, ...checkpoint } = await loadCheckpoint(engine.tf, trained.checkpoint);
  const evaluate = await evaluateModel(engine, logits, checkpoint, {
    manifest: await readManifest(valManifest),
    batchSize: recipe.batchSize,
    signal: context.signal,
  });
  context.log(`demo:   top-1 ${(100 * evaluate.top1).toFixed(1)} % of ${evaluate.samples} validation samples`);
  return { title, style, train: trained, evaluate, steps };
}
