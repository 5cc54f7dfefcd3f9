import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchSamples,
  type ColorChange,
  readJpeg,
  renderBatch,
  renderForm,
  renderView,
  type StoredImage,
  unchangedColor,
  type ViewArray,
  type ViewAxis,
  type ViewForm,
} from "../../src/native/index.js";
import { brightness, contrast, drawMix, saturation } from "../../src/pipeline/load/augment.js";
import { keptFrequencies } from "../../src/pipeline/load/frequencies.js";
import { formOf } from "../../src/pipeline/load/slot.js";
import { planView } from "../../src/pipeline/load/view.js";
import { randomFor } from "../../src/shards/random.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { psnr, referenceRgb } from "../support/reference-view.js";

const size = 48;
const area = size * size;

const imageOf = (kind: (typeof jpegKinds)[number]): StoredImage => ({
  ...readJpeg(makeJpeg(kind), 1e8, "none"),
  codec: "none",
});
const first = imageOf(jpegKinds[0] as (typeof jpegKinds)[number]);
const subsampled = imageOf({ name: "forms", width: 97, height: 75, channels: 3, lumaH: 2, lumaV: 2 });

function axes(image: StoredImage, seed = 5): { x: ViewAxis; y: ViewAxis } {
  return planView(image.width, image.height, { kind: "dct", size, augment: "train" }, randomFor(seed, "forms"));
}

const dctForm: ViewForm = { kind: "dct", type: "float32", width: size, height: size, chromaStep: 2, color: "ycbcr" };
const pixelForm: ViewForm = { ...dctForm, kind: "pixels", color: "rgb" };

function dct(image: StoredImage, form: Partial<ViewForm> = {}, color: ColorChange = unchangedColor): ViewArray[] {
  const all = { ...dctForm, ...form };
  const Typed = all.type === "int16" ? Int16Array : Float32Array;
  const depth = (i: number) => all.kept?.[i]?.length ?? 64;
  const sizes = [area, area / all.chromaStep ** 2, area / all.chromaStep ** 2].map(
    (places, i) => (places / 64) * depth(i),
  );
  const planes = sizes.map((length) => new Typed(length));
  const { x, y } = axes(image);
  renderForm(image, x, y, all, color, planes);
  return planes;
}

function rgb(image: StoredImage, color: ColorChange = unchangedColor, form: Partial<ViewForm> = {}): Float32Array {
  const out = new Float32Array(area * 3);
  const { x, y } = axes(image);
  renderForm(image, x, y, { ...pixelForm, ...form }, color, [out]);
  return out;
}

test("chroma at luma's resolution is the chroma of the pixels", () => {
  for (const image of [first, subsampled]) {
    const planes = dct(image, { chromaStep: 1 });
    assert.deepEqual(
      planes.map(({ length }) => length),
      [area, area, area],
    );
    const pixels = rgb(image, unchangedColor, { color: "ycbcr" });
    for (const [i, plane] of planes.entries()) {
      // The mean of a block is its DC over 8.
      for (let block = 0; block < area / 64; block++) {
        const [row, column] = [Math.floor(block / (size / 8)) * 8, (block % (size / 8)) * 8];
        let sum = 0;
        for (let k = 0; k < 64; k++) sum += pixels[((row + (k >> 3)) * size + column + (k & 7)) * 3 + i] as number;
        assert.ok(Math.abs(sum / 64 - 128 - (plane[block * 64] as number) / 8) < 1e-3);
      }
    }
  }
});

test("colour changes on coefficients are those of the pixels before clipping", () => {
  for (const image of [first, subsampled, imageOf({ name: "grey", width: 60, height: 52, channels: 1 })]) {
    const plain = referenceRgb(image, axes(image).x, axes(image).y);
    const luma = (at: number) =>
      0.299 * (plain[at] as number) + 0.587 * (plain[at + 1] as number) + 0.114 * (plain[at + 2] as number);
    const mean = Array.from({ length: area }, (_, i) => luma(3 * i)).reduce((a, b) => a + b) / area;
    const changes: [string, ColorChange, (value: number, at: number) => number][] = [
      ["brightness", brightness(unchangedColor, 1.3), (v) => 1.3 * v],
      ["contrast", contrast(unchangedColor, 0.6), (v) => 0.6 * v + 0.4 * mean],
      ["saturation", saturation(unchangedColor, 1.7), (v, at) => 1.7 * v - 0.7 * luma(at)],
      ["grey", saturation(unchangedColor, 0), (_, at) => luma(at)],
      [
        "brightness, then contrast",
        contrast(brightness(unchangedColor, 0.8), 1.4),
        (v) => 1.4 * 0.8 * v - 0.4 * 0.8 * mean,
      ],
      [
        "contrast, then brightness",
        brightness(contrast(unchangedColor, 1.4), 0.8),
        (v) => 0.8 * (1.4 * v - 0.4 * mean),
      ],
      ["contrast 0", contrast(unchangedColor, 0), () => mean],
    ];
    for (const [name, color, wanted] of changes) {
      const expected = plain.map((value, i) => wanted(value, 3 * Math.floor(i / 3)));
      const ratio = psnr(rgb(image, color), expected);
      assert.ok(ratio > 100, `${name} on pixels: ${ratio.toFixed(1)} dB`);
      // The same on coefficients: both are linear images of the same view.
      const planes = dct(image, { chromaStep: 1 }, color) as Float32Array[];
      const [y] = planes;
      const shares = [0.299, 0.587, 0.114];
      const meanOfDc =
        (y as Float32Array).reduce((sum, value, i) => (i % 64 === 0 ? sum + value : sum), 0) / (area / 64) / 8 + 128;
      const meanOfPixels = expected.reduce((sum, value, i) => sum + value * (shares[i % 3] as number), 0) / area;
      assert.ok(Math.abs(meanOfDc - meanOfPixels) < 1e-2, `${name} on coefficients: mean ${meanOfDc}, ${meanOfPixels}`);
      const energy = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value * value, 0);
      const pixels = rgb(image, color, { color: "ycbcr" }).map((value) => value - 128);
      // The transform is orthonormal.
      const [inPixels, inPlanes] = [energy(pixels), planes.reduce((sum, plane) => sum + energy(plane), 0)];
      assert.ok(Math.abs(inPixels / inPlanes - 1) < 1e-4, `${name}: energy ${inPixels}, ${inPlanes}`);
    }
  }
});

test("kept frequencies are a choice of all, in their order", () => {
  const all = dct(first);
  const kept = keptFrequencies(24) as NonNullable<ViewForm["kept"]>;
  assert.deepEqual(
    kept.map(({ length }) => length),
    [14, 5, 5],
  );
  assert.deepEqual([...kept[0]], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11], "zigzag order");
  const some = dct(first, { kept });
  for (const [i, plane] of some.entries()) {
    const list = kept[i] as Uint8Array;
    for (const [at, value] of plane.entries())
      assert.equal(value, all[i]?.[Math.floor(at / list.length) * 64 + (list[at % list.length] as number)]);
  }
});

test("int16 coefficients are sixteenths, uint8 pixels are rounded and clipped", () => {
  for (const image of [first, subsampled]) {
    const [narrow, wide] = [dct(image, { type: "int16" }), dct(image)];
    for (const [i, plane] of narrow.entries())
      for (const [at, value] of plane.entries())
        assert.ok(Math.abs(value / 16 - (wide[i]?.[at] as number)) <= 1 / 32 + 1e-3);
    const bytes = new Uint8Array(area * 3);
    const { x, y } = axes(image);
    const bright = brightness(unchangedColor, 1.8);
    renderForm(image, x, y, { ...pixelForm, type: "uint8" }, bright, [bytes]);
    for (const [at, value] of rgb(image, bright).entries())
      assert.ok(
        Math.abs(Math.min(255, Math.max(0, value)) - (bytes[at] as number)) <= 0.5 + 1e-3,
        `${value} became ${bytes[at]}`,
      );
  }
});

test("normalisation is (value - mean) / std, by the data set's frequencies, a constant or ImageNet's channels", () => {
  const statistics = [0, 1, 2].map((c) => ({
    blocks: 1,
    mean: Array.from({ length: 64 }, (_, k) => c + k / 10),
    std: Array.from({ length: 64 }, (_, k) => (k === 63 ? 0 : 1 + k)),
    zeroShare: new Array<number>(64).fill(0),
    largest: new Array<number>(64).fill(0),
  }));
  const view = { kind: "dct", size, augment: "none" } as const;
  const plain = dct(subsampled);
  const { tables } = formOf({ ...view, normalize: "dataset" }, statistics);
  for (const [c, plane] of dct(subsampled, { tables }).entries())
    for (const [at, value] of plane.entries()) {
      const k = at % 64;
      const wanted = ((plain[c]?.[at] as number) - (c + k / 10)) / (k === 63 ? 1 : 1 + k);
      assert.ok(Math.abs(value - wanted) < 1e-3 * Math.max(1, Math.abs(wanted)), `${value} ${wanted}`);
    }
  const constant = formOf({ ...view, normalize: { mean: [1, 2, 3], std: [2, 4, 8] } }, []);
  const scaled = dct(subsampled, { tables: constant.tables });
  assert.ok(Math.abs((scaled[2]?.[64] as number) - ((plain[2]?.[64] as number) - 3) / 8) < 1e-3);
  const pixels = formOf({ ...view, kind: "rgb" }, []);
  const normal = rgb(subsampled, unchangedColor, { scaling: pixels.scaling });
  assert.ok(Math.abs((normal[1] as number) - ((rgb(subsampled)[1] as number) - 116.28) / 57.12) < 1e-4);
});

test("views of whole blocks at their own size are the coefficients themselves, mirrored too", () => {
  const image = imageOf({ name: "whole", width: 64, height: 64, channels: 3, lumaH: 2, lumaV: 2 });
  const axis = (boxStart: number, flip: boolean): ViewAxis => ({
    boxStart,
    boxEnd: boxStart + 32,
    scaledSize: 32,
    outStart: 0,
    outCount: 32,
    flip,
  });
  const planesOf = (form: Partial<ViewForm>, x: ViewAxis, y: ViewAxis) => {
    const planes = [1024, 256, 256].map((length) => new Float32Array(length));
    renderForm(image, x, y, { ...dctForm, width: 32, height: 32, ...form }, unchangedColor, planes);
    return planes;
  };
  for (const start of [0, 16]) {
    for (const [flipX, flipY] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const [x, y] = [axis(start, flipX), axis(start, flipY)];
      const copied = planesOf({}, x, y);
      // The same box a hair smaller is no copy, and goes through the transforms.
      const near = (a: ViewAxis): ViewAxis => ({ ...a, boxStart: a.boxStart + 1e-9 });
      const computed = planesOf({}, near(x), near(y));
      for (const i of [0, 1, 2]) {
        const ratio = psnr(copied[i] as Float32Array, computed[i] as Float32Array);
        assert.ok(ratio > 100, `component ${i} at ${start}, flips ${flipX} ${flipY}: ${ratio.toFixed(1)} dB`);
      }
    }
  }
});

/** A batch of views of two images, rendered in one call. */
function batchOf(form: ViewForm, change: Partial<Parameters<typeof renderBatch>[0]> = {}, erase = false) {
  const images = [subsampled, first, subsampled, first];
  const samples = new BatchSamples();
  const layouts = Buffer.alloc(2 * 390);
  for (const [i, image] of [subsampled, first].entries())
    for (const [c, { h, v }] of image.components.entries()) {
      layouts.set([h, v], i * 390 + c * 130);
      for (let k = 0; k < 64; k++)
        layouts.writeUInt16LE(image.quantTables[c * 64 + k] as number, i * 390 + c * 130 + 2 + 2 * k);
    }
  for (const [i, image] of images.entries()) {
    const grids = Uint16Array.from(image.components.flatMap(({ storedWide, storedHigh }) => [storedWide, storedHigh]));
    const { x, y } = axes(image);
    const { width, height, packed } = image;
    const common = {
      block: -1,
      blockSample: 0,
      firstByte: 0,
      memory: i,
      file: -1,
      offset: 0,
      byteLength: packed.length,
      crc32c: 0,
      checked: false,
      codec: "none",
    } as const;
    const box = erase && i === 1 ? { top: 16, left: 0, bottom: 32, right: 16 } : undefined;
    samples.add({
      ...common,
      width,
      height,
      layouts: 0,
      layout: i % 2,
      grids,
      gridAt: 0,
      place: i,
      x,
      y,
      color: unchangedColor,
      erase: box,
    });
  }
  const sizes = form.kind === "dct" ? [area, area / 4, area / 4] : [area * 3];
  const Typed = form.type === "uint8" ? Uint8Array : form.type === "int16" ? Int16Array : Float32Array;
  const out = sizes.map((length) => new Typed(4 * length));
  const memory = images.map(({ packed }) => packed);
  const failures = renderBatch({
    memory,
    layouts: [layouts],
    samples,
    form,
    out,
    views: 4,
    pairs: [],
    replace: true,
    ...change,
  });
  return { out, sizes, failures };
}

test("a batch holds what single views hold; erased boxes are mid-grey; pairs are mixed and exchanged", () => {
  const single = [dct(subsampled), dct(first)];
  const { out, sizes, failures } = batchOf(dctForm);
  assert.equal(failures, undefined);
  const viewIn = (planes: readonly ViewArray[], i: number, c: number) =>
    planes[c]?.subarray(i * (sizes[c] as number), (i + 1) * (sizes[c] as number)) as ViewArray;
  for (const i of [0, 1, 2, 3]) for (const c of [0, 1, 2]) assert.deepEqual(viewIn(out, i, c), single[i % 2]?.[c]);
  const erased = batchOf(dctForm, {}, true).out;
  for (const c of [0, 1, 2]) {
    const side = c === 0 ? 8 : 16;
    for (const [at, value] of viewIn(erased, 1, c).entries()) {
      const block = Math.floor(at / 64);
      const [row, column] = [Math.floor(block / (size / side)) * side, (block % (size / side)) * side];
      const inside = row >= 16 && row < 32 && column < 16;
      assert.equal(value, inside ? 0 : viewIn(out, 1, c)[at]);
    }
  }
  const mixed = batchOf(dctForm, { pairs: [{ a: 0, b: 1, mix: { share: 0.25 } }] }).out;
  const [a, b] = [viewIn(out, 0, 0), viewIn(out, 1, 0)];
  for (const [at, value] of viewIn(mixed, 0, 0).entries())
    assert.ok(Math.abs(value - (0.25 * (a[at] as number) + 0.75 * (b[at] as number))) < 1e-3);
  const cut = batchOf(dctForm, {
    pairs: [{ a: 2, b: 3, mix: { box: { top: 0, left: 32, bottom: 16, right: 48 } } }],
  }).out;
  assert.equal(viewIn(cut, 2, 0)[4 * 64], viewIn(out, 3, 0)[4 * 64]);
  assert.equal(viewIn(cut, 3, 0)[4 * 64], viewIn(out, 2, 0)[4 * 64]);
  assert.equal(viewIn(cut, 2, 0)[3 * 64], viewIn(out, 2, 0)[3 * 64]);
  for (const type of ["uint8", "float32"] as const) {
    const pixels = { ...pixelForm, type };
    const [plain, half] = [
      batchOf(pixels).out[0],
      batchOf(pixels, { pairs: [{ a: 0, b: 1, mix: { share: 0.5 } }] }).out[0],
    ];
    const wanted = ((plain?.[7] as number) + (plain?.[area * 3 + 7] as number)) / 2;
    assert.ok(Math.abs((half?.[7] as number) - wanted) <= 0.5);
    const grey = batchOf(pixels, {}, true).out[0] as ViewArray;
    assert.equal(grey[area * 3 + 16 * size * 3], 128);
  }
});

test("a sample that fails leaves its neighbour's view, or none", () => {
  const good = batchOf(dctForm);
  const memory = [
    subsampled.packed,
    first.packed.map((byte, i) => (i < 8 ? 0xff : byte)),
    subsampled.packed,
    first.packed,
  ];
  const replaced = batchOf(dctForm, { memory });
  assert.deepEqual(
    replaced.failures?.map(({ sample, code, copyOf }) => [sample, code, copyOf]),
    [[1, "CORRUPT_RECORD", 0]],
  );
  assert.deepEqual(replaced.out[0]?.subarray(area, 2 * area), good.out[0]?.subarray(0, area));
  const cleared = batchOf(dctForm, { memory, replace: false });
  assert.equal(cleared.failures?.[0]?.copyOf, -1);
  assert.ok(cleared.out[0]?.subarray(area, 2 * area).every((value) => value === 0));
});

test("CutMix boxes lie on whole MCUs and say what share is left; mixup shares are spread over [0, 1]", () => {
  const random = randomFor(2, "mix");
  const cuts = Array.from({ length: 500 }, () => drawMix({ cutmix: 1 }, 224, 16, random));
  for (const cut of cuts) {
    assert.ok(cut !== undefined && "box" in cut.mix);
    const { top, left, bottom, right } = cut.mix.box;
    for (const edge of [top, left, bottom, right]) assert.ok(edge % 16 === 0 && edge >= 0 && edge <= 224);
    assert.ok(Math.abs(cut.share - (1 - ((bottom - top) * (right - left)) / 224 ** 2)) < 1e-9);
  }
  const shares = Array.from({ length: 2000 }, () => drawMix({ mixup: 0.2 }, 224, 16, random)?.share as number);
  const mean = shares.reduce((a, b) => a + b) / shares.length;
  assert.ok(Math.abs(mean - 0.5) < 0.04, `mean ${mean}`);
  // Beta(0.2, 0.2) has most of its mass at the ends.
  assert.ok(shares.filter((share) => share < 0.1 || share > 0.9).length > 1000);
  assert.equal(drawMix({}, 224, 16, random), undefined);
});

test("renderView is the plain form", () => {
  const out = new Float32Array(area * 3);
  const { x, y } = axes(first);
  renderView(first, x, y, { kind: "rgb", rgb: out });
  assert.deepEqual(out, rgb(first));
});
