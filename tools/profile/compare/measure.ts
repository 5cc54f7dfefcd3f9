// dctstream profile compare: the same images on four ways to a network of the same family.
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Loader } from "../../../src/pipeline/load/loader.js";
import type { ViewOptions } from "../../../src/pipeline/load/view.js";
import { indexSources } from "../../../src/pipeline/preprocess/index-sources.js";
import { TarWriter } from "../../../src/pipeline/tar-writer.js";
import { outputCount } from "../../../src/shards/class-list.js";
import { countableClasses } from "../../../src/shards/dataset-classes.js";
import { type LoadedManifest, readManifest } from "../../../src/shards/manifest.js";
import { originalFile, readRows } from "../../../src/shards/shard-rows.js";
import { joinUrl } from "../../../src/storage/url.js";
import type { Engine, EngineOptions } from "../../../src/train/engine/engine.js";
import { openEngine } from "../../../src/train/engine/open-engine.js";
import { networkInput, viewOf } from "../../../src/train/input.js";
import { findNetwork } from "../../../src/train/networks/build.js";
import { timeFedNetwork, timeNetwork } from "../../../src/train/time-network.js";
import { coresOf, startMeasuring, throughputOf } from "../measure.js";
import { medianOf } from "../quantile.js";
import { consumer, measureLoader } from "../read/measure.js";
import type { Cores } from "../stage.js";
import { rate } from "../verdict.js";
import { type JpegFile, jpegBatches, timeJpegs } from "./jpeg-pixels.js";

export interface CompareOptions extends EngineOptions {
  /** The ids of a DCT and of a pixel network. */
  readonly network: string;
  readonly pixelNetwork: string;
  readonly batchSize: number;
  readonly inputSize: number;
  readonly width: number;
  readonly workers: number;
  readonly prefetchBytes: number | undefined;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** A way from files to steps. Times are milliseconds per image, those of input of one thread. */
export interface Way {
  readonly name: string;
  readonly network: string;
  readonly readMs: number;
  readonly decodeMs: number;
  readonly viewMs: number;
  readonly collateMs: number;
  readonly stepMs: number;
  /** The speed of the input without steps, and of both together. */
  readonly inputImagesPerSecond: number;
  readonly imagesPerSecond: number;
  /** Per image: read from files, and given to the network. */
  readonly bytesRead: number;
  readonly bytesFed: number;
}

export interface Comparison {
  readonly what: "compare";
  readonly ways: readonly Way[];
  readonly verdict: string;
  readonly seconds: number;
  readonly cores: Cores;
}

/** Files that the JPEGs are taken back to. */
const mostFiles = 512;
const timedFiles = 64;

export async function profileCompare(manifest: LoadedManifest, options: CompareOptions): Promise<Comparison> {
  const began = performance.now();
  const stop = startMeasuring(() => ({ elapsedMs: performance.now() - began, stages: {} }));
  const { network, pixelNetwork, engine, device } = options;
  const opened = await openEngine({ engine, device });
  const folder = mkdtempSync(path.join(tmpdir(), "dctstream-profile-"));
  try {
    const steps = new Map<string, number>();
    for (const id of [pixelNetwork, network]) steps.set(id, await stepMsOf(opened, id, manifest, options));
    const files = await jpegFiles(manifest, folder, options.signal);
    const index = await indexOf(files, folder, options);
    const ways = [
      await fromJpegs(files, opened, steps.get(pixelNetwork) as number, manifest, options),
      await fromDataset(
        "pixels from coefficients",
        pixelNetwork,
        opened,
        steps.get(pixelNetwork) as number,
        manifest,
        options,
      ),
      await fromDataset("DCT", network, opened, steps.get(network) as number, manifest, options),
      await fromDataset("DCT from tar + index", network, opened, steps.get(network) as number, index, options),
    ];
    const seconds = (performance.now() - began) / 1000;
    return { what: "compare", ways, verdict: verdictOf(ways), seconds, cores: coresOf(stop(), 0) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function verdictOf(ways: readonly Way[]): string {
  const [jpeg, pixels, dct, tar] = ways as [Way, Way, Way, Way];
  const times = (one: number, other: number) => `${(one / other).toFixed(1)} x`;
  return (
    `DCT ${rate(dct.imagesPerSecond)} images/s, pixels ${rate(pixels.imagesPerSecond)} from coefficients and ${rate(jpeg.imagesPerSecond)} from JPEG: ` +
    `DCT trains ${times(dct.imagesPerSecond, jpeg.imagesPerSecond)} as fast as JPEG does; its input alone is ${times(dct.inputImagesPerSecond, jpeg.inputImagesPerSecond)} as fast, that of pixels from coefficients ${times(pixels.inputImagesPerSecond, jpeg.inputImagesPerSecond)}, from tars with an index ${times(tar.inputImagesPerSecond, jpeg.inputImagesPerSecond)}`
  );
}

const shapeOf = async (manifest: LoadedManifest, { inputSize, width }: CompareOptions) => ({
  classes: outputCount(await countableClasses(manifest)),
  inputSize,
  width,
});

async function stepMsOf(
  engine: Engine,
  id: string,
  manifest: LoadedManifest,
  options: CompareOptions,
): Promise<number> {
  const { batchSize, seconds, signal } = options;
  const timing = { ...(await shapeOf(manifest, options)), phase: "train", batchSize, seconds, signal } as const;
  return medianOf(await timeNetwork(engine, id, timing)) / batchSize;
}

const trainingView = (id: string, inputSize: number): ViewOptions =>
  viewOf(networkInput(findNetwork(id), inputSize, undefined), "train");

/** The first images, as the files that they were. */
async function jpegFiles(manifest: LoadedManifest, folder: string, signal: AbortSignal): Promise<JpegFile[]> {
  const files: JpegFile[] = [];
  for (const shard of manifest.shards)
    for await (const found of readRows(manifest, shard, { signal })) {
      const sample = found.batch.sample(found.row);
      const file = path.join(folder, `${files.length}.jpg`);
      await writeFile(file, originalFile(found, sample, joinUrl(manifest.folder, shard.name)));
      files.push({ path: file, label: sample.label, width: sample.width, height: sample.height });
      if (files.length === mostFiles) return files;
    }
  return files;
}

/** The same files in a tar, with an index of it. */
async function indexOf(
  files: readonly JpegFile[],
  folder: string,
  { workers, signal }: CompareOptions,
): Promise<LoadedManifest> {
  const source = path.join(folder, "files.tar");
  const tar = await TarWriter.open(source);
  for (const { path: file, label } of files) {
    const name = path.basename(file, ".jpg");
    await tar.entry(`${name}.jpg`, await readFile(file));
    await tar.entry(`${name}.cls`, String(label));
  }
  await tar.commit();
  const { manifest } = await indexSources({ sources: [source], out: path.join(folder, "index"), workers, signal });
  return readManifest(manifest);
}

async function fromJpegs(
  files: readonly JpegFile[],
  engine: Engine,
  stepMs: number,
  manifest: LoadedManifest,
  options: CompareOptions,
): Promise<Way> {
  const { pixelNetwork: network, batchSize, workers, inputSize, seconds, signal } = options;
  const view = trainingView(network, inputSize);
  const times = await timeJpegs(files.slice(0, timedFiles), view);
  let [samples, from] = [0, 0];
  for await (const batch of jpegBatches(files, { view, batchSize, workers })) {
    batch.release();
    if (from === 0) from = performance.now();
    else samples += batch.samples;
    signal.throwIfAborted();
    if (performance.now() - from >= 1000 * seconds && samples > 0) break;
  }
  const inputImagesPerSecond = (1000 * samples) / (performance.now() - from);
  const fed = { ...(await shapeOf(manifest, options)), seconds, signal };
  const batches = jpegBatches(files, { view, batchSize, workers });
  const imagesPerSecond = await timeFedNetwork(engine, network, fed, batches);
  return {
    name: "pixels from JPEG",
    network,
    readMs: times.read,
    decodeMs: times.decode,
    viewMs: times.view,
    collateMs: times.collate,
    stepMs,
    inputImagesPerSecond,
    imagesPerSecond,
    bytesRead: manifest.inputBytes / manifest.samples,
    bytesFed: 4 * 3 * inputSize * inputSize,
  };
}

async function fromDataset(
  name: string,
  network: string,
  engine: Engine,
  stepMs: number,
  manifest: LoadedManifest,
  options: CompareOptions,
): Promise<Way> {
  const { workers, prefetchBytes, inputSize, seconds, signal } = options;
  const batchSize = Math.min(options.batchSize, manifest.samples);
  const view = trainingView(network, inputSize);
  const open = () => Loader.open(manifest, { view, batchSize, workers, prefetchBytes, signal });
  await using alone = await open();
  const { counters } = await measureLoader(alone, seconds, signal);
  const { views, collate, storage } = counters.stages;
  const perImage = (ms = 0) => ms / Math.max(1, views?.samples ?? 0);
  await using fed = await open();
  const settings = { ...(await shapeOf(manifest, options)), seconds, signal };
  const imagesPerSecond = await timeFedNetwork(engine, network, settings, fed.epochs(0, Number.POSITIVE_INFINITY));
  return {
    name,
    network,
    readMs: perImage(storage === undefined ? views?.partsMs.read : storage.busyMs),
    decodeMs: perImage(views?.partsMs.unpack),
    viewMs: perImage(views?.partsMs.resample),
    collateMs: perImage(collate?.busyMs),
    stepMs,
    inputImagesPerSecond: throughputOf(counters, consumer),
    imagesPerSecond,
    bytesRead: alone.bytesPerView,
    bytesFed: alone.viewBytes,
  };
}
