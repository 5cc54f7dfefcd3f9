// What everybody else does: JPEG files -> decoded pixels -> random resized crop -> batches. Here with sharp (libvips
// and libjpeg-turbo), to be compared with.
import { readFile } from "node:fs/promises";
import sharp from "sharp";
import { mapOrdered } from "../../../src/map-ordered.js";
import { formOf, slotArrays, slotBytes } from "../../../src/pipeline/load/slot.js";
import { planView, type ViewOptions } from "../../../src/pipeline/load/view.js";
import { type Random, randomFor } from "../../../src/shards/random.js";
import { labelledSamples } from "../../../src/train/step/plain-step.js";
import type { StepBatch } from "../../../src/train/step/step.js";

export interface JpegFile {
  readonly path: string;
  readonly label: number;
  readonly width: number;
  readonly height: number;
}

export interface JpegBatchesOptions {
  /** A view of kind rgb. */
  readonly view: ViewOptions;
  readonly batchSize: number;
  /** Images that are decoded at a time. */
  readonly workers: number;
}

/** Milliseconds per image of one thread. */
export interface JpegTimes {
  readonly read: number;
  readonly decode: number;
  readonly view: number;
  readonly collate: number;
}

/** Endless batches of the files, over and over. */
export async function* jpegBatches(
  files: readonly JpegFile[],
  { view, batchSize, workers }: JpegBatchesOptions,
): AsyncGenerator<StepBatch> {
  const before = sharp.concurrency();
  sharp.concurrency(1); // as many images at a time as there are workers, each in one thread
  const random = randomFor(0, "profile");
  const form = formOf(view, []);
  const slots: SharedArrayBuffer[] = [];
  try {
    let row = 0;
    let slot = new SharedArrayBuffer(slotBytes(form, batchSize));
    let labels = new Int32Array(batchSize);
    const render = async (file: JpegFile) => ({
      file,
      pixels: await cropped(await readFile(file.path), file, view, random),
    });
    for await (const { file, pixels } of mapOrdered(endless(files), render, { limit: workers })) {
      const arrays = slotArrays(slot, form, batchSize);
      widen(pixels, arrays[0]?.data as Float32Array, row, form.kind === "pixels" ? form.scaling : undefined);
      labels[row++] = file.label;
      if (row < batchSize) continue;
      const used = slot;
      yield { ...labelledSamples(labels), arrays, keys: [], release: () => slots.push(used) };
      slot = slots.pop() ?? new SharedArrayBuffer(slotBytes(form, batchSize));
      labels = new Int32Array(batchSize);
      row = 0;
    }
  } finally {
    sharp.concurrency(before);
  }
}

function* endless<T>(items: readonly T[]): Generator<T> {
  for (;;) yield* items;
}

async function cropped(bytes: Uint8Array, file: JpegFile, view: ViewOptions, random: Random): Promise<Uint8Array> {
  const { size } = view;
  const { x, y } = planView(file.width, file.height, view, random);
  const box = { left: x.boxStart, top: y.boxStart, width: x.boxEnd - x.boxStart, height: y.boxEnd - y.boxStart };
  const image = sharp(bytes)
    .extract(box)
    .resize(size, size, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
  return (x.flip ? image.flop() : image).toColourspace("srgb").removeAlpha().raw().toBuffer();
}

interface Scaling {
  readonly scale: readonly [number, number, number];
  readonly bias: readonly [number, number, number];
}

function widen(pixels: Uint8Array, out: Float32Array, row: number, scaling: Scaling | undefined): void {
  const { scale, bias } = scaling ?? { scale: [1, 1, 1], bias: [0, 0, 0] };
  const start = row * pixels.length;
  for (let i = 0; i < pixels.length; i += 3) {
    out[start + i] = (pixels[i] as number) * scale[0] + bias[0];
    out[start + i + 1] = (pixels[i + 1] as number) * scale[1] + bias[1];
    out[start + i + 2] = (pixels[i + 2] as number) * scale[2] + bias[2];
  }
}

/** Each part by itself, one image after the other. */
export async function timeJpegs(files: readonly JpegFile[], view: ViewOptions): Promise<JpegTimes> {
  const random = randomFor(0, "profile");
  const form = formOf(view, []);
  const out = new Float32Array(3 * view.size * view.size);
  const sums = { read: 0, decode: 0, both: 0, collate: 0 };
  const timed = async <T>(what: keyof typeof sums, work: () => Promise<T> | T): Promise<T> => {
    const began = performance.now();
    const result = await work();
    sums[what] += performance.now() - began;
    return result;
  };
  const before = sharp.concurrency();
  sharp.concurrency(1);
  for (const file of files) {
    const bytes = await timed("read", () => readFile(file.path));
    await timed("decode", () => sharp(bytes).raw().toBuffer());
    const pixels = await timed("both", () => cropped(bytes, file, view, random));
    await timed("collate", () => widen(pixels, out, 0, form.kind === "pixels" ? form.scaling : undefined));
  }
  sharp.concurrency(before);
  const per = (ms: number) => ms / files.length;
  const { read, decode, both, collate } = sums;
  return { read: per(read), decode: per(decode), view: per(Math.max(0, both - decode)), collate: per(collate) };
}
