import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readJpeg, renderView, type StoredImage, type ViewAxis } from "../../src/native/index.js";
import { planView } from "../../src/pipeline/load/view.js";
import { randomFor } from "../../src/shards/random.js";
import { rejectsWith } from "../support/errors.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { psnr, referenceDct, referenceRgb } from "../support/reference-view.js";

const size = 48;
const luma = size * size;

export function storedImage(kind: (typeof jpegKinds)[number]): StoredImage {
  return { ...readJpeg(makeJpeg(kind), 1e8, "zstd"), codec: "zstd" };
}

function renderDct(image: StoredImage, x: ViewAxis, y: ViewAxis): Float32Array[] {
  const planes = [luma, luma / 4, luma / 4].map((length) => new Float32Array(length)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  renderView(image, x, y, { kind: "dct", y: planes[0], cb: planes[1], cr: planes[2] });
  return planes;
}

for (const kind of jpegKinds) {
  test(`${kind.name}: any crop, resize and flip equals the pixel path in double precision`, () => {
    const image = storedImage(kind);
    const random = randomFor(11, "view-test", kind.name);
    for (const augment of ["train", "train", "train", "eval", "none"] as const) {
      const { x, y } = planView(image.width, image.height, { kind: "dct", size, augment }, random);
      const place = JSON.stringify({ augment, x, y });
      renderDct(image, x, y).forEach((plane, i) => {
        const ratio = psnr(plane, referenceDct(image, x, y)[i] as number[]);
        assert.ok(ratio > 100, `component ${i}: ${ratio.toFixed(1)} dB for ${place}`);
      });
      const rgb = new Float32Array(luma * 3);
      renderView(image, x, y, { kind: "rgb", rgb });
      const ratio = psnr(rgb, referenceRgb(image, x, y));
      assert.ok(ratio > 100, `rgb: ${ratio.toFixed(1)} dB for ${place}`);
    }
  });
}

test("a flip mirrors the pixels, and keeps chroma with its luma when the block count is odd", () => {
  const image = storedImage({ name: "flip", width: 100, height: 40, channels: 3, lumaH: 2, lumaV: 2 });
  // A hair smaller than the image, so that it is resampled.
  const axis = (length: number, flip: boolean) => ({
    boxStart: 0,
    boxEnd: length - 1e-9,
    scaledSize: length,
    outStart: 0,
    outCount: length,
    flip,
  });
  const [plain, flipped] = [false, true].map((flip) => {
    const rgb = new Float32Array(100 * 40 * 3);
    renderView(image, axis(100, flip), axis(40, false), { kind: "rgb", rgb });
    return rgb;
  }) as [Float32Array, Float32Array];
  const mirrored = plain.map(
    (_, i) => plain[Math.floor(i / 300) * 300 + (99 - (Math.floor(i / 3) % 100)) * 3 + (i % 3)] as number,
  );
  assert.ok(psnr(flipped, mirrored) > 100);
});

test("boxes outside the image and sizes that fit no block grid are refused", async () => {
  const image = storedImage(jpegKinds[0] as (typeof jpegKinds)[number]);
  const good = { boxStart: 0, boxEnd: 48, scaledSize: size, outStart: 0, outCount: size, flip: false };
  for (const bad of [
    { boxEnd: 500 },
    { boxStart: -1 },
    { boxStart: 48 },
    { outStart: 9 },
    { scaledSize: Number.NaN },
  ]) {
    await rejectsWith("INVALID_ARGUMENT", () => renderDct(image, { ...good, ...bad }, good));
  }
  await rejectsWith(
    "INVALID_ARGUMENT",
    () => renderView(image, good, good, { kind: "rgb", rgb: new Float32Array(5) }),
    /length/,
  );
});

test("the scalar build of the kernels gives the same views", () => {
  const script = fileURLToPath(new URL("../support/print-views.js", import.meta.url));
  const views = ["scalar", "avx2", "avx512"].map((level) => {
    const done = spawnSync(process.execPath, [script], {
      env: { ...process.env, DCTSTREAM_SIMD: level },
      maxBuffer: 1 << 28,
    });
    assert.equal(done.status, 0, String(done.stderr));
    return new Float32Array(new Uint8Array(done.stdout).buffer);
  });
  assert.ok((views[0] as Float32Array).length > luma);
  for (const other of views.slice(1))
    assert.ok(psnr(views[0] as Float32Array, other) > 110, "up to the order of additions");
});
