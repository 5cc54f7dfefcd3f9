// A network over a data set: loss, top-1, top-5, and which classes it mistakes for which.
import type { LayersModel, Tensor } from "@tensorflow/tfjs";
import { ToolkitError } from "../errors.js";
import type { LoadedBatch } from "../pipeline/load/loaded-batch.js";
import { Loader } from "../pipeline/load/loader.js";
import type { LoaderCacheOptions } from "../pipeline/load/options.js";
import type { ClassList, ClassMap } from "../shards/class-list.js";
import { classesOf } from "../shards/dataset-classes.js";
import type { LoadedManifest } from "../shards/manifest.js";
import { alone, type Collective } from "./collective/collective.js";
import type { Engine } from "./engine/engine.js";
import type { FrozenNetwork, Precision } from "./engine/frozen-network.js";
import type { Tf } from "./engine/tensorflow.js";
import { letEventsThrough } from "./event-loop.js";
import { type NetworkInput, viewOf } from "./input.js";
import type { EvaluateReport, Mistake } from "./report.js";
import { classesOfNetwork, type NetworkClasses } from "./saved/network-classes.js";
import { type BatchTensors, toTensors } from "./step/batch.js";
import { Tally } from "./tally.js";

/** What evaluation must know of a network, as a checkpoint contains it: its input, and what its outputs mean. */
export type EvaluatedNetwork = NetworkInput & NetworkClasses & { readonly folder?: string | undefined };

/** What `evaluateModel` can be asked for. */
export interface EvaluateOptions {
  readonly manifest: LoadedManifest;
  readonly batchSize: number;
  /** What the network computes in. Default "float32". */
  readonly precision?: Precision | undefined;
  readonly workers?: number | undefined;
  readonly prefetchBytes?: number | undefined;
  readonly cache?: LoaderCacheOptions | undefined;
  /** Every rank takes its part of each batch, and all report the whole. Default: this process alone. */
  readonly collective?: Collective | undefined;
  /** How many of the most confident mistakes are reported. Default 0. */
  readonly mistakes?: number | undefined;
  readonly onProgress?: (done: number, samples: number) => void;
  /** See LoaderOptions. */
  readonly onWarning?: ((warning: ToolkitError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Scores a network on a data set: top-1, top-5 and loss, per class and confusions. `logits` maps inputs to [n, classes]
 * before the softmax; it is frozen meanwhile. Every sample counts once; the last batch may be smaller. The data set may
 * have a part of the network's classes, numbered in any way.
 *
 * Errors: CLASSES_DIFFER, BAD_LABEL and BAD_CLASSES where labels do not mean outputs of the network, NUMERIC_OVERFLOW,
 * and what the loader throws.
 *
 * @example
 * ```ts
 * import { evaluateModel, loadCheckpoint, openEngine, readManifest } from "dctstream";
 *
 * const engine = await openEngine();
 * const checkpoint = await loadCheckpoint(engine.tf, "runs/1");
 * const manifest = await readManifest("shards/val");
 * const { top1, loss } = await evaluateModel(engine, checkpoint.logits, checkpoint, { manifest, batchSize: 32 });
 * console.log(top1, loss); // a share of [0, 1]; nats
 * ```
 */
export async function evaluateModel(
  engine: Engine,
  logits: LayersModel,
  described: EvaluatedNetwork,
  options: EvaluateOptions,
): Promise<EvaluateReport> {
  const { tf } = engine;
  const { manifest, signal, workers, prefetchBytes, cache, collective = alone } = options;
  const classes = logits.outputs[0]?.shape.at(-1) as number;
  const known = outputsOf(described, classes);
  const { rank, size: worldSize } = collective;
  const batchSize = worldSize * Math.ceil(Math.min(options.batchSize, manifest.samples) / worldSize);
  const view = viewOf(described, "eval");
  const loader = await Loader.open(manifest, {
    view,
    batchSize,
    rank,
    worldSize,
    shuffle: false,
    classList: known,
    workers,
    prefetchBytes,
    cache,
    onWarning: options.onWarning,
    signal,
  });
  const { comparison } = loader.classMaps[0] as ClassMap;
  // Matched by number: the names are those of the list that has any.
  const shown = known.isNamed ? known : classesOf(manifest);
  const tally = new Tally(classes, shown);
  let mistakes: Mistake[] = [];
  const network = await engine.freeze(logits, { precision: options.precision });
  const started = performance.now();
  try {
    for await (const batch of loader.epoch(0)) {
      if (batch.samples === 0) continue; // the end of the data is the other ranks'
      const tensors = toTensors(tf, batch, logits);
      const scores = await score(tf, network, tensors, classes, Boolean(options.mistakes));
      const { loss, ranked, perSample } = scores;
      if (!Number.isFinite(loss)) throw notFinite(batch.keys[0]);
      tally.add(batch.labels.subarray(0, batch.samples), ranked, perSample, loss * batch.samples);
      if (options.mistakes) mistakes = worst([...mistakes, ...mistakesOf(batch, scores)], options.mistakes);
      tensors.dispose();
      batch.release();
      options.onProgress?.(tally.samples, manifest.samples);
      await letEventsThrough(signal);
    }
    await tally.sumOver(collective);
  } finally {
    network.dispose();
    await loader.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const { samples } = tally;
  return {
    samples,
    loss: tally.loss / samples,
    imagesPerSecond: Math.round((10 * samples) / seconds) / 10,
    ...tally.summarise(),
    classes: comparison,
    classNames: shown.isNamed ? Array.from({ length: classes }, (_, index) => shown.titleOf(index)) : undefined,
    ...(options.mistakes ? { mistakes } : {}),
  };
}

/**
 * The error for a network whose weights or statistics overflowed: none of its outputs means anything. `key` is that of
 * the first image of a batch.
 */
export function notFinite(key: string | undefined): ToolkitError {
  const message = "what the network says is not finite: it diverged while it was trained, or its weights are damaged";
  return new ToolkitError("NUMERIC_OVERFLOW", message, { key });
}

/** The classes of the outputs that a network has. BAD_CHECKPOINT when it is described as another. */
function outputsOf(described: EvaluatedNetwork, outputs: number): ClassList {
  const { folder: source = "the network", classes = outputs } = described;
  if (classes !== outputs)
    throw new ToolkitError("BAD_CHECKPOINT", `described as a network of ${classes} classes, it has ${outputs}`, {
      source,
    });
  return classesOfNetwork({ ...described, classes }, source);
}

function mistakesOf(batch: LoadedBatch, { ranked, perSample, confidence }: Scores): Mistake[] {
  return Array.from(batch.labels.subarray(0, batch.samples)).flatMap((label, i) => {
    const predicted = ranked[i * perSample] as number;
    if (predicted === label) return [];
    const [key, sample] = [batch.keys[i] as string, batch.sampleNumbers[i] as number];
    return [{ key, sample, label, predicted, probability: confidence?.[i] as number }];
  });
}

function worst(mistakes: Mistake[], count: number): Mistake[] {
  return mistakes.sort((a, b) => b.probability - a.probability).slice(0, count);
}

/** What a batch came out as. */
interface Scores {
  readonly loss: number;
  /** Classes [n, perSample], the likeliest first. */
  readonly ranked: Int32Array;
  readonly perSample: number;
  /** The probability of the first of them, [n]; where it was asked for. */
  readonly confidence: Float32Array | undefined;
}

async function score(
  tf: Tf,
  network: FrozenNetwork,
  { inputs, labels }: BatchTensors,
  classes: number,
  confident: boolean,
): Promise<Scores> {
  const perSample = Math.min(5, classes);
  const [loss, ranked, confidence] = tf.tidy(() => {
    const output = network.predict(inputs);
    const mean = crossEntropy(tf, output, labels, classes);
    const likeliest = confident ? tf.max(tf.softmax(output), -1) : undefined;
    return [mean, tf.topk(output, perSample).indices, likeliest] as const;
  });
  const scores = {
    loss: (await loss.data())[0] as number,
    ranked: (await ranked.data()) as Int32Array,
    perSample,
    confidence: (await confidence?.data()) as Float32Array | undefined,
  };
  tf.dispose([loss, ranked, ...(confidence === undefined ? [] : [confidence])]);
  return scores;
}

/** Mean softmax cross-entropy over [n, classes] logits and [n] labels. */
export function crossEntropy(tf: Tf, logits: Tensor, labels: Tensor, classes: number): Tensor {
  return tf.losses.softmaxCrossEntropy(tf.oneHot(labels as never, classes), logits);
}
