// A trained network over images that have no labels: what it takes each of them for.
import type { LayersModel } from "@tensorflow/tfjs";
import type { WireError } from "../errors.js";
import { defaultMaxImageBytes } from "../native/limits.js";
import { imageBatches } from "../pipeline/direct/image-batches.js";
import { findImages, type ImageLocation, isPattern, noLocation, readImages } from "../pipeline/direct/image-files.js";
import { Loader } from "../pipeline/load/loader.js";
import type { NamedArray } from "../pipeline/load/slot.js";
import { datasetAt } from "../pipeline/manifest-of.js";
import { isImageName } from "../pipeline/preprocess/entry-names.js";
import { isTarUrl } from "../pipeline/preprocess/sources.js";
import { publicUrl } from "../public-url.js";
import { type LoadedManifest, readManifest } from "../shards/manifest.js";
import { at } from "../storage/at.js";
import type { Engine } from "./engine/engine.js";
import type { FrozenNetwork, Precision } from "./engine/frozen-network.js";
import { notFinite } from "./evaluate.js";
import { letEventsThrough } from "./event-loop.js";
import { type NetworkInput, viewOf } from "./input.js";
import { type BatchInput, inputTensors } from "./step/batch.js";

/** What `predict` can be asked for. */
export interface PredictOptions {
  /** Images, tars, folders and manifests: paths, URLs and patterns; read as they come. */
  readonly inputs: AsyncIterable<string> | Iterable<string>;
  /** The inputs are names as they are, not patterns. Default false. */
  readonly literal?: boolean | undefined;
  /** Classes that are named for each image, the likeliest first. Default 5. */
  readonly top?: number | undefined;
  /** Images per batch. Default 32. */
  readonly batchSize?: number | undefined;
  readonly precision?: Precision | undefined;
  readonly workers?: number | undefined;
  readonly prefetchBytes?: number | undefined;
  /** Larger files are failures. Default 64 MiB. */
  readonly maxImageBytes?: number | undefined;
  /** Names by class index. */
  readonly classNames?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A class that an image may be of. */
export interface Guess {
  readonly class: number;
  /** Where the checkpoint knows it. */
  readonly name?: string;
  readonly probability: number;
}

/** The network's guesses for one image, or why there are none. */
export interface Prediction {
  /** File, entry (`TAR#ENTRY`) or sample (`MANIFEST#KEY`). */
  readonly image: string;
  readonly top?: readonly Guess[];
  readonly error?: Pick<WireError, "code" | "message">;
}

/** A batch of either kind: of files, or of a data set's samples. */
interface Batch extends BatchInput {
  readonly names: readonly string[];
  readonly errors: readonly (WireError | undefined)[];
  release(): void;
}

/**
 * Gives predictions in the order of the inputs, a batch at a time; memory does not grow with their number. An image
 * that cannot be read, or an input that does not exist, has an `error` in place of `top`. `logits` maps inputs to [n,
 * classes] before the softmax; it is frozen meanwhile.
 *
 * Errors: NUMERIC_OVERFLOW, and what is wrong with the machine rather than with an image.
 *
 * @example
 * ```ts
 * import { loadCheckpoint, openEngine, predict } from "dctstream";
 *
 * const engine = await openEngine();
 * const { logits, classNames, ...input } = await loadCheckpoint(engine.tf, "runs/1");
 * for await (const batch of predict(engine, logits, input, { inputs: ["holiday/*.jpg"], classNames }))
 *   for (const { image, top, error } of batch) console.log(image, top?.[0]?.name ?? error?.message);
 * ```
 */
export async function* predict(
  engine: Engine,
  logits: LayersModel,
  input: NetworkInput,
  options: PredictOptions,
): AsyncGenerator<readonly Prediction[]> {
  const network = await engine.freeze(logits, { precision: options.precision });
  const classes = logits.outputs[0]?.shape.at(-1) as number;
  const top = Math.min(options.top ?? 5, classes);
  try {
    for await (const batch of batchesOf(input, options)) {
      const guesses = await rank(engine, network, logits, batch, top);
      const bad = guesses.findIndex(([likeliest]) => !Number.isFinite(likeliest?.probability));
      if (bad >= 0) throw notFinite(batch.names[bad]);
      batch.release();
      yield batch.names.map((image, i): Prediction => {
        const error = batch.errors[i];
        if (error !== undefined) return { image, error: { code: error.code, message: error.message } };
        return { image, top: (guesses[i] as Guess[]).map((guess) => named(guess, options.classNames)) };
      });
      await letEventsThrough(options.signal);
    }
  } finally {
    network.dispose();
  }
}

function named(guess: Guess, names: readonly string[] | undefined): Guess {
  const name = names?.[guess.class];
  return name === undefined ? guess : { class: guess.class, name, probability: guess.probability };
}

async function rank(
  engine: Engine,
  network: FrozenNetwork,
  logits: LayersModel,
  batch: Batch,
  top: number,
): Promise<Guess[][]> {
  const { tf } = engine;
  const inputs = inputTensors(tf, batch, logits);
  const { values, indices } = tf.tidy(() => tf.topk(tf.softmax(network.predict(inputs)), top));
  const [shares, classes] = [await values.data(), await indices.data()];
  tf.dispose([values, indices, ...inputs]);
  return Array.from({ length: batch.samples }, (_, i) =>
    Array.from({ length: top }, (_, k) => ({
      class: classes[i * top + k] as number,
      probability: Number((shares[i * top + k] as number).toPrecision(6)),
    })),
  );
}

/** Batches of data sets through the loader, of everything else through the files. */
async function* batchesOf(input: NetworkInput, options: PredictOptions): AsyncGenerator<Batch> {
  const inputs =
    Symbol.asyncIterator in options.inputs ? options.inputs[Symbol.asyncIterator]() : options.inputs[Symbol.iterator]();
  let dataset: LoadedManifest | undefined;
  /** Locations of the inputs up to the next data set. */
  async function* locations(): AsyncGenerator<ImageLocation> {
    for (let next = await inputs.next(); next.done !== true; next = await inputs.next()) {
      try {
        dataset = await storedAt(next.value);
      } catch (error) {
        options.signal?.throwIfAborted();
        yield noLocation(next.value, error);
        continue;
      }
      if (dataset !== undefined) return;
      yield* findImages(next.value, options.literal ?? false, options.signal);
    }
  }
  const { batchSize = 32, maxImageBytes = defaultMaxImageBytes, workers, signal } = options;
  const view = viewOf(input, "eval");
  for (;;) {
    dataset = undefined;
    const files = readImages(locations(), { maxImageBytes, signal });
    yield* imageBatches(files, { view, batchSize, workers, signal });
    if (dataset === undefined) return;
    yield* samplesOf(dataset, input, { ...options, batchSize });
  }
}

/** A manifest by its own name or its folder's; undefined for everything else. */
async function storedAt(url: string): Promise<LoadedManifest | undefined> {
  if (url.endsWith(".json")) return readManifest(url);
  if (isImageName(url) || isTarUrl(url) || isPattern(url)) return undefined; // not looked at
  if ((await at(url).stat())?.kind !== "folder") return undefined;
  return datasetAt(url);
}

async function* samplesOf(
  manifest: LoadedManifest,
  input: NetworkInput,
  { batchSize = 32, workers, prefetchBytes, signal }: PredictOptions,
): AsyncGenerator<Batch> {
  const view = viewOf(input, "eval");
  const shown = publicUrl(manifest.url);
  const size = Math.min(batchSize, manifest.samples);
  const options = {
    view,
    batchSize: size,
    shuffle: false,
    onBadSample: "skip",
    workers,
    prefetchBytes,
    signal,
  } as const;
  await using loader = await Loader.open(manifest, options);
  for await (const batch of loader.epoch(0)) {
    const { samples, release } = batch;
    const damaged = { code: "CORRUPT_RECORD", message: "the stored sample is damaged" } as const;
    yield {
      names: batch.keys.map((key) => `${shown}#${key}`),
      errors: Array.from({ length: samples }, (_, i) => (batch.mask[i] === 0 ? damaged : undefined)),
      arrays: batch.arrays as readonly NamedArray[],
      samples,
      release,
    };
  }
}
