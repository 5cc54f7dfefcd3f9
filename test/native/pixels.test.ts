// Views that change no pixel give the bytes that libjpeg decodes: all samplings, sizes, crops and flips.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  encodeJpeg,
  readJpeg,
  readPixels,
  renderForm,
  type StoredImage,
  unchangedColor,
  type ViewAxis,
  type ViewForm,
} from "../../src/native/index.js";
import { randomFor } from "../../src/shards/random.js";
import { type JpegKind, jpegKinds, makeJpeg } from "../support/jpegs.js";
import { psnr, referenceRgb } from "../support/reference-view.js";

const storedImage = (jpeg: Uint8Array): StoredImage => ({ ...readJpeg(jpeg, 1e8, "zstd"), codec: "zstd" });

const whole = (side: number, flip = false): ViewAxis => cropped(side, 0, side, flip);

/** Part of the whole, as a centre crop takes it: what lies around is still there. */
function cropped(side: number, outStart: number, outCount: number, flip = false): ViewAxis {
  return { boxStart: 0, boxEnd: side, scaledSize: side, outStart, outCount, flip };
}

function bytesOf(image: StoredImage, x: ViewAxis, y: ViewAxis, change: Partial<ViewForm> = {}): Uint8Array {
  const [width, height] = [x.outCount, y.outCount];
  const out = new Uint8Array(3 * width * height);
  const form: ViewForm = { kind: "pixels", type: "uint8", width, height, chromaStep: 1, color: "rgb", ...change };
  renderForm(image, x, y, form, unchangedColor, [out]);
  return out;
}

function floatsOf(image: StoredImage, x: ViewAxis, y: ViewAxis, change: Partial<ViewForm> = {}): Float32Array {
  const [width, height] = [x.outCount, y.outCount];
  const out = new Float32Array(3 * width * height);
  const form: ViewForm = { kind: "pixels", type: "float32", width, height, chromaStep: 1, color: "rgb", ...change };
  renderForm(image, x, y, form, unchangedColor, [out]);
  return out;
}

/** What libjpeg decodes, cut out and mirrored. */
function decoded(jpeg: Uint8Array, x: ViewAxis, y: ViewAxis): Uint8Array {
  const { width, channels, pixels } = readPixels(jpeg, 1e8);
  const out = new Uint8Array(3 * x.outCount * y.outCount);
  const place = (axis: ViewAxis, i: number) => axis.boxStart + axis.outStart + (axis.flip ? axis.outCount - 1 - i : i);
  for (let row = 0, at = 0; row < y.outCount; row++)
    for (let column = 0; column < x.outCount; column++)
      for (let c = 0; c < 3; c++, at++)
        out[at] = pixels[(place(y, row) * width + place(x, column)) * channels + (channels === 1 ? 0 : c)] as number;
  return out;
}

const samplings = [
  { channels: 1 },
  { channels: 3 },
  { channels: 3, lumaH: 2 },
  { channels: 3, lumaV: 2 },
  { channels: 3, lumaH: 2, lumaV: 2 },
] as const;
// libjpeg repeats chroma instead where it has at most two samples in a row.
const sizes = [
  [5, 1],
  [6, 7],
  [16, 16],
  [17, 33],
  [40, 24],
  [64, 40],
  [97, 75],
  [131, 16],
] as const;
const kinds: JpegKind[] = samplings.flatMap((sampling, i) =>
  sizes.map(([width, height], k) => ({
    name: `pixels ${i}`,
    width,
    height,
    quality: ([95, 40, 75] as const)[((i + k) % 3) as 0 | 1 | 2],
    ...sampling,
  })),
);

test("at their own size, pixels are the bytes that libjpeg decodes, cropped and mirrored too", () => {
  for (const kind of [...kinds, ...jpegKinds.filter(({ name }) => name !== "4:1:1")]) {
    const jpeg = makeJpeg(kind);
    const image = storedImage(jpeg);
    const { width, height } = kind;
    const random = randomFor(3, "pixels", kind.name, width, height);
    const part = (side: number, flip: boolean) => {
      const start = Math.floor(random.next() * side);
      return cropped(side, start, 1 + Math.floor(random.next() * (side - start)), flip);
    };
    const views = [false, true].flatMap((flip) => [
      { x: whole(width, flip), y: whole(height) },
      { x: whole(width), y: whole(height, flip) },
      ...Array.from({ length: 6 }, () => ({ x: part(width, flip), y: part(height, random.next() < 0.5) })),
    ]);
    for (const { x, y } of views)
      assert.deepEqual(bytesOf(image, x, y), decoded(jpeg, x, y), JSON.stringify({ kind, x, y }));
  }
});

test("a box cuts the image before chroma is made larger, as the resampled views have it", () => {
  for (const kind of [{ lumaH: 2, lumaV: 2 }, { lumaH: 2 }, { lumaV: 2 }, {}]) {
    const jpeg = makeJpeg({ name: "box", width: 90, height: 70, channels: 3, ...kind });
    const image = storedImage(jpeg);
    for (const [left, top, wide, high] of [
      [16, 16, 48, 32],
      [13, 7, 33, 40],
      [22, 9, 31, 17],
      [40, 40, 1, 1],
    ] as const) {
      const x = { boxStart: left, boxEnd: left + wide, scaledSize: wide, outStart: 0, outCount: wide, flip: false };
      const y = { boxStart: top, boxEnd: top + high, scaledSize: high, outStart: 0, outCount: high, flip: false };
      const [found, expected] = [bytesOf(image, x, y), referenceRgb(image, x, y)];
      for (const [at, value] of found.entries()) {
        const exact = Math.min(255, Math.max(0, expected[at] as number));
        assert.ok(Math.abs(value - exact) < 3, `${value} for ${exact} in ${JSON.stringify({ kind, left, top })}`);
      }
      const inside = decoded(jpeg, x, y);
      for (let row = 1; row < high - 1; row++)
        for (let at = (row * wide + 1) * 3; at < (row * wide + wide - 1) * 3; at++) assert.equal(found[at], inside[at]);
    }
  }
});

test("pixels that overshoot are clipped as libjpeg clips them", () => {
  const random = randomFor(5, "overshoot");
  const pixels = Uint8Array.from({ length: 72 * 56 * 3 }, () => (random.next() < 0.5 ? 0 : 255));
  for (const options of [{}, { lumaH: 2, lumaV: 2 }, { lumaH: 2 }]) {
    for (const quality of [1, 5, 20, 60, 100]) {
      const jpeg = encodeJpeg(pixels, 72, 56, 3, { quality, ...options });
      assert.deepEqual(bytesOf(storedImage(jpeg), whole(72), whole(56)), decoded(jpeg, whole(72), whole(56)));
    }
  }
});

test("floats at their own size are those bytes, scaled; Y Cb Cr is what RGB is made of", () => {
  const scaling = { scale: [0.0171, 0.0175, 0.0174], bias: [-2.118, -2.036, -1.804] } as const;
  for (const kind of kinds) {
    const image = storedImage(makeJpeg(kind));
    const [x, y] = [whole(kind.width, true), whole(kind.height)];
    const bytes = bytesOf(image, x, y);
    assert.deepEqual(Uint8Array.from(floatsOf(image, x, y)), bytes);
    const [scale, bias] = [Float32Array.from(scaling.scale), Float32Array.from(scaling.bias)];
    const wanted = Float32Array.from(bytes, (value, i) => value * (scale[i % 3] as number) + (bias[i % 3] as number));
    assert.deepEqual(floatsOf(image, x, y, { scaling }), wanted, "rounded once");
    const parts = bytesOf(image, x, y, { color: "ycbcr" });
    for (let i = 0; i < bytes.length; i += 3) {
      const [luma, cb, cr] = [parts[i], (parts[i + 1] as number) - 128, (parts[i + 2] as number) - 128] as [
        number,
        number,
        number,
      ];
      const rgb = [1.402 * cr, -0.34414 * cb - 0.71414 * cr, 1.772 * cb].map((c) => luma + c);
      for (const [c, value] of rgb.entries())
        assert.ok(Math.abs(Math.min(255, Math.max(0, value)) - (bytes[i + c] as number)) <= 0.51);
    }
  }
});

test("views that change pixels are neither rounded nor clipped in float", () => {
  const kind = { name: "identity", width: 64, height: 64, channels: 3, lumaH: 2, lumaV: 2 } as const;
  const image = storedImage(makeJpeg(kind));
  const resampled = { ...whole(64), boxEnd: 64 - 1e-9 };
  const exact = referenceRgb(image, whole(64), whole(64));
  assert.ok(psnr(floatsOf(image, resampled, whole(64)), exact) > 100, "a hair smaller");
  const doubled = new Float32Array(3 * 64 * 64);
  const form: ViewForm = { kind: "pixels", type: "float32", width: 64, height: 64, chromaStep: 1, color: "rgb" };
  renderForm(image, whole(64), whole(64), form, { luma: 2, chroma: 2, offset: 128, offsetOfMean: 0 }, [doubled]);
  assert.ok(
    psnr(
      doubled,
      exact.map((value) => 2 * value),
    ) > 100,
    "brighter",
  );
});

test("every SIMD level gives the same pixels, of any coefficients", () => {
  const script = fileURLToPath(new URL("../support/print-pixels.js", import.meta.url));
  const [first, ...others] = ["scalar", "avx2", "avx512"].map((level) => {
    const env = { ...process.env, DCTSTREAM_SIMD: level };
    const done = spawnSync(process.execPath, [script], { env, maxBuffer: 1 << 28 });
    assert.equal(done.status, 0, String(done.stderr));
    return done.stdout;
  });
  assert.ok((first as Buffer).length > 1e6);
  for (const other of others) assert.ok(other.equals(first as Buffer));
});
