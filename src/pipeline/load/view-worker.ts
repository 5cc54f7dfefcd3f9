// Inside a worker thread: rows of record batches -> finished views in the batch's slot, stopping at the first damaged record; and batches ->
// their expanded form.
import { asToolkitError, toWire, type WireError } from "../../errors.js";
import { renderView } from "../../native/index.js";
import { expandBatch } from "../../shards/expanded.js";
import { randomFor } from "../../shards/random.js";
import { parseBatch } from "../../shards/reader.js";
import type { RecordBatchView } from "../../shards/record-view.js";
import { type BatchArrays, imagenetScaling, sampleOf, slotArrays } from "./slot.js";
import { planView } from "./view.js";
import type { ExpandAnswer, ExpandTask, SharedBatch, ViewTask } from "./view-task.js";

/** Groups whose batches stay parsed: the one in use and the one that a batch may have begun in. */
const keptGroups = 2;

/** By group, then by shard and batch. */
const parsed = new Map<number, Map<string, RecordBatchView>>();

const nameOf = ({ shard, batch }: SharedBatch) => `${shard}/${batch}`;

function viewOf(batch: SharedBatch): RecordBatchView {
  let group = parsed.get(batch.group);
  if (group === undefined) {
    for (const old of parsed.keys()) if (old <= batch.group - keptGroups) parsed.delete(old);
    group = new Map();
    parsed.set(batch.group, group);
  }
  let view = group.get(nameOf(batch));
  if (view === undefined) {
    view = parseBatch(batch.codec, batch.bytes, batch.url);
    group.set(nameOf(batch), view);
  }
  return view;
}

function renderSample(batch: SharedBatch, row: number, task: ViewTask, out: BatchArrays, index: number): void {
  const records = viewOf(batch);
  const image = records.image(row);
  const random = randomFor(task.seed, "view", task.epoch, batch.shard, batch.batch, row);
  const { x, y } = planView(image.width, image.height, task.view, random);
  const part = (plane: Float32Array) => sampleOf(plane, task.batchSize, index);
  const target =
    out.kind === "dct"
      ? ({ kind: "dct", y: part(out.y), cb: part(out.cb), cr: part(out.cr) } as const)
      : ({ kind: "rgb", rgb: part(out.rgb), scaling: imagenetScaling } as const);
  renderView({ ...image, codec: records.codec }, x, y, target);
  out.labels[index] = image.label;
}

export function expand({ expand: { codec, bytes, url } }: ExpandTask): ExpandAnswer {
  try {
    return { bytes: new Uint8Array(expandBatch(codec, bytes, url)) }; // of its own, because it moves to another thread
  } catch (error) {
    return { error: toWire(error, { source: url }) };
  }
}

/** Undefined when all is well; an error as data otherwise, because a thrown one would lose its code between threads. */
export function renderViews(task: ViewTask): WireError | undefined {
  const out = slotArrays(task.slot, task.view, task.batchSize, task.batchSize);
  for (let i = 0; i < task.samples.length; i += 2) {
    const batch = task.batches[task.samples[i] as number] as SharedBatch;
    const row = task.samples[i + 1] as number;
    try {
      renderSample(batch, row, task, out, task.firstIndex + i / 2);
    } catch (error) {
      return toWire(asToolkitError(error, { source: batch.url }), { source: batch.url, key: keyOf(batch, row) });
    }
  }
  return undefined;
}

/** For an error's text; a batch that cannot be parsed has no keys. */
function keyOf(batch: SharedBatch, row: number): string | undefined {
  return parsed.get(batch.group)?.get(nameOf(batch))?.key(row);
}
