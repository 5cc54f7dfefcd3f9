// Inside a worker thread: samples -> finished views in the batch's slot. Samples of local shards are read here,
// straight into the processor's caches; those of services and disk caches come in shared memory.
import { workerData } from "node:worker_threads";
import { asToolkitError, ToolkitError, toWire } from "../../errors.js";
import {
  type BatchFailure,
  type BatchSample,
  BatchSamples,
  expandPacked,
  renderBatch,
  unchangedColor,
  type ViewAxis,
} from "../../native/index.js";
import { parseSampleIndex, storedComponents } from "../../shards/sample-index.js";
import { urlOfSample } from "../../shards/source-files.js";
import { timeWork } from "../stage-clock.js";
import { drawColor, drawErasedBox } from "./augment.js";
import type { ViewWork } from "./load-clock.js";
import { OpenFiles } from "./open-files.js";
import { slotArrays } from "./slot.js";
import { trainingPolicy, viewUnit } from "./view.js";
import { ViewPlan } from "./view-plan.js";
import type { ExpandAnswer, ExpandTask, ViewAnswer, ViewTask, WorkerSettings } from "./view-task.js";

const settings = (workerData as { readonly settings: WorkerSettings }).settings;
const sources = settings.sources.map((source) => ({
  ...source,
  index: parseSampleIndex(source.indexBytes, source.folder),
}));
const layouts = sources.map(({ index }) => index.layouts);
const unit = viewUnit(settings.view);
const samples = new BatchSamples();
const opened = new OpenFiles(settings.openFiles);

const wholeAxis: ViewAxis = { boxStart: 0, boxEnd: 1, scaledSize: 1, outStart: 0, outCount: 1, flip: false };

/** Filled anew for every sample: thousands a second need not make as many objects. */
const entry: BatchSample = {
  block: -1,
  blockSample: 0,
  firstByte: 0,
  memory: -1,
  file: -1,
  offset: 0,
  byteLength: 0,
  crc32c: 0,
  checked: false,
  codec: "none",
  width: 0,
  height: 0,
  layouts: 0,
  layout: 0,
  grids: new Uint16Array(6),
  gridAt: 0,
  place: 0,
  x: wholeAxis,
  y: wholeAxis,
  color: unchangedColor,
  erase: undefined,
};

const policy = trainingPolicy(settings.view);
const plan = new ViewPlan(settings.view, settings.seed);

function addSample(task: ViewTask, i: number): void {
  const number = task.source[i] as number;
  const source = sources[number] as (typeof sources)[number];
  const { index } = source;
  const sample = task.sample[i] as number;
  const [width, height] = [index.width[sample] as number, index.height[sample] as number];
  const pass = task.pass[i] as number;
  const { x, y, random } = plan.of({ epoch: task.epoch, source: number, sample, pass, width, height });
  entry.width = width;
  entry.height = height;
  entry.layouts = number;
  entry.layout = index.layout[sample] as number;
  entry.grids = index.grid;
  entry.gridAt = 6 * sample;
  entry.place = task.firstRow + i;
  locate(task, i, source);
  entry.x = x;
  entry.y = y;
  if (policy !== undefined) {
    entry.color = drawColor(policy, random);
    entry.erase = drawErasedBox(policy, settings.view.size, unit, random);
  }
  samples.add(entry);
}

/** Open blocks that describe files among the task's samples. */
const blocks: Uint8Array[] = [];
let blockNumbers = new Map<Uint8Array, number>();

/** The number, among the task's blocks, of the one that describes the sample's file; -1 for a record. */
function blockOf({ files }: (typeof sources)[number], sample: number): number {
  const block = files?.blocks[files.block[sample] as number];
  if (block === undefined) return -1;
  let number = blockNumbers.get(block);
  if (number === undefined) {
    number = blocks.push(block) - 1;
    blockNumbers.set(block, number);
  }
  return number;
}

/** Where the sample's bytes are: in the task's memory, or in a file that this thread reads. */
function locate({ memory, sample: numbers }: ViewTask, i: number, source: (typeof sources)[number]): void {
  const sample = numbers[i] as number;
  entry.block = blockOf(source, sample);
  entry.blockSample = source.files?.blockSample[sample] ?? 0;
  entry.firstByte = memory?.firstByte[i] ?? 0;
  if (memory !== undefined) {
    entry.memory = memory.buffer[i] as number;
    entry.offset = memory.offset[i] as number;
    entry.byteLength = memory.byteLength[i] as number;
    entry.codec = memory.codecs[entry.memory] ?? source.codec;
    entry.checked = memory.damaged[entry.memory] ?? false;
    entry.crc32c = source.index.crc32c[sample] as number;
    return;
  }
  if (!source.readsFiles) throw new ToolkitError("INTERNAL", "samples of a service came without their bytes");
  entry.file = opened.open(urlOfSample(source, source, sample));
  entry.offset = source.offsets[sample] as number;
  entry.byteLength = (source.files?.byteLengths ?? source.index.byteLength)[sample] as number;
  entry.crc32c = source.index.crc32c[sample] as number;
  entry.checked = true;
  entry.codec = source.codec;
}

/** Nanoseconds that some of the samples took: to be read, to be unpacked, in all. */
const times = new Float64Array(3);

/** What a task's time was spent on, estimated from the samples that were timed. */
function partsOf(busyMs: number): ViewWork["parts"] {
  const [read, unpack, all] = times as unknown as [number, number, number];
  if (all === 0) return {};
  const share = busyMs / all;
  return { read: share * read, unpack: share * unpack, resample: share * (all - read - unpack) };
}

export function renderViews(task: ViewTask): ViewAnswer {
  times.fill(0);
  const end = timeWork();
  const work = (): ViewWork => {
    const done = end();
    return { ...done, parts: partsOf(done.ended - done.began) };
  };
  try {
    samples.clear();
    blocks.length = 0;
    blockNumbers = new Map();
    for (let i = 0; i < task.sample.length; i++) addSample(task, i);
    const failures: BatchFailure[] | undefined = renderBatch({
      memory: task.memory?.buffers ?? [],
      layouts,
      blocks,
      samples,
      form: settings.form,
      out: slotArrays(task.slot, settings.form, settings.batchSize).map(({ data }) => data),
      views: settings.batchSize,
      pairs: task.pairs,
      replace: settings.replace,
      times,
    });
    return { failures, work: work() };
  } catch (error) {
    return { error: toWire(asToolkitError(error)), work: work() };
  } finally {
    opened.taskEnded();
  }
}

/** Packed samples -> the same of the plain codec. */
export function expand({ source: number, firstSample, bytes, lengths }: ExpandTask): ExpandAnswer {
  const { index, folder, codec } = sources[number] as (typeof sources)[number];
  try {
    let at = 0;
    const expanded = lengths.map((length, i) => {
      const packed = bytes.subarray(at, at + length);
      at += length;
      return expandPacked({ packed, codec, components: storedComponents(index, firstSample + i) });
    });
    return { bytes: new Uint8Array(Buffer.concat(expanded)), lengths: expanded.map(({ length }) => length) };
  } catch (error) {
    return { error: toWire(error, { source: folder }) };
  }
}
