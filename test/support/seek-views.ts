// Views of JPEG files through an index, and of the same files through packed records: to be compared bit for bit.
import assert from "node:assert/strict";
import {
  type BatchFailure,
  type BatchSample,
  BatchSamples,
  buildSeekSample,
  bytesOfView,
  type ColorChange,
  type JpegFacts,
  type OpenSeekBlock,
  readJpeg,
  renderBatch,
  renderForm,
  type StoredImage,
  unchangedColor,
  type ViewArray,
  type ViewAxis,
  type ViewForm,
} from "../../src/native/index.js";
import type { Random } from "../../src/shards/random.js";
import { layoutOf } from "../../src/shards/sample-index.js";

export interface View {
  readonly form: ViewForm;
  readonly x: ViewAxis;
  readonly y: ViewAxis;
  readonly color: ColorChange;
}

export function recordOf(jpeg: Uint8Array): StoredImage {
  return { ...readJpeg(jpeg, 1e8, "none"), codec: "none" };
}

/** What an index should say of a file: all that reading it says, but for what concerns packed bytes. */
export function factsOf(jpeg: Uint8Array): JpegFacts {
  const { packed: _, ...facts } = readJpeg(jpeg, 1e8, "none");
  return { ...facts, decoder: "libjpeg", rebuildable: false, packedBytes: 0, crc32c: 0, fileBytes: 0 };
}

/** The index's block of a file that can be entered. */
export function blockOf(jpeg: Uint8Array, spacing?: number): OpenSeekBlock {
  const made = buildSeekSample(jpeg, spacing === undefined ? { maxPixels: 1e8 } : { maxPixels: 1e8, spacing });
  assert.ok("block" in made, "refused" in made ? made.refused : "");
  return made.block;
}

/** The arrays of `views` views of a form. */
export function arraysOf(form: ViewForm, views = 1): ViewArray[] {
  const area = form.width * form.height;
  const Typed = { float32: Float32Array, int16: Int16Array, uint8: Uint8Array }[form.type];
  if (form.kind === "pixels") return [new Typed(3 * area * views)];
  const chroma = area / form.chromaStep ** 2;
  return [area, chroma, chroma].map((values, i) => new Typed((values / 64) * (form.kept?.[i]?.length ?? 64) * views));
}

export function packedView(image: StoredImage, { form, x, y, color }: View): ViewArray[] {
  const out = arraysOf(form);
  renderForm(image, x, y, form, color, out);
  return out;
}

/** A sample of a batch that is the JPEG file in memory 0, described by block 0. */
export function seekSample(bytes: Uint8Array, change: Partial<BatchSample> = {}): BatchSample {
  const axis: ViewAxis = { boxStart: 0, boxEnd: 1, scaledSize: 1, outStart: 0, outCount: 1, flip: false };
  return {
    block: 0,
    blockSample: 0,
    firstByte: 0,
    memory: 0,
    file: -1,
    offset: 0,
    byteLength: bytes.length,
    crc32c: 0,
    checked: true,
    codec: "none",
    width: 0,
    height: 0,
    layouts: 0,
    layout: 0,
    grids: new Uint16Array(6),
    gridAt: 0,
    place: 0,
    x: axis,
    y: axis,
    color: unchangedColor,
    erase: undefined,
    ...change,
  };
}

/** A table of layouts as the sample index holds them, one for each image. */
export function layoutsOf(images: readonly StoredImage[]): Uint8Array {
  return Buffer.concat(images.map(layoutOf));
}

/** A sample of a batch that is a packed record. */
export function packedSample(image: StoredImage, change: Partial<BatchSample>): BatchSample {
  const { width, height, codec, components } = image;
  const grids = new Uint16Array(6);
  grids.set(components.flatMap(({ storedWide, storedHigh }) => [storedWide, storedHigh]));
  return { ...seekSample(image.packed), block: -1, checked: false, width, height, codec, grids, ...change };
}

export type SeekView = { readonly out: ViewArray[] } | { readonly failure: BatchFailure };

/** A view of the file whose bytes from `firstByte` on are there. */
export function seekView(
  block: Uint8Array,
  bytes: Uint8Array,
  { form, x, y, color }: View,
  change: Partial<BatchSample> = {},
): SeekView {
  const samples = new BatchSamples();
  samples.add(seekSample(bytes, { x, y, color, ...change }));
  const out = arraysOf(form);
  const common = { memory: [bytes], layouts: [], blocks: [block], samples, pairs: [], replace: false } as const;
  const failures = renderBatch({ ...common, form, out, views: 1 });
  return failures === undefined ? { out } : { failure: failures[0] as BatchFailure };
}

/** The bytes of a file that a view needs, alone in memory. */
export function neededBytes(block: Uint8Array, file: Uint8Array, { form, x, y }: View) {
  const { start, end } = bytesOfView(block, 0, form, x, y);
  return { start, end, bytes: file.slice(start, end) };
}

export function sameBits(a: readonly ViewArray[], b: readonly ViewArray[]): boolean {
  return (
    a.length === b.length && a.every((array, i) => Buffer.compare(bytesIn(array), bytesIn(b[i] as ViewArray)) === 0)
  );
}

function bytesIn(array: ViewArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

const base = { type: "float32", chromaStep: 2, color: "ycbcr" } as const;

/** Forms of every kind, of views with that side. */
export function formsOf(size: number, random: Random): ViewForm[] {
  const square = { width: size, height: size };
  const dct = { ...base, ...square, kind: "dct" } as const;
  const pixels = { ...base, ...square, kind: "pixels" } as const;
  const some = Uint8Array.of(0, 1, 8, 9, 63);
  return [
    dct,
    { ...dct, type: "int16" },
    { ...dct, chromaStep: 1 },
    { ...dct, kept: [some, some.subarray(0, 3), some.subarray(1)] },
    { ...dct, tables: Float32Array.from({ length: 384 }, () => random.next()) },
    { ...pixels, color: "rgb" },
    { ...pixels, type: "uint8", color: "rgb" },
    { ...pixels, scaling: { scale: [0.5, 0.25, 2], bias: [1, 2, 3] } },
  ];
}
