// Images that cannot be stored as they are: converted, flagged and counted; and EXIF orientation.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { encodeJpeg, readOrientation, readPixels } from "../../src/native/index.js";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { recordFlags } from "../../src/shards/flags.js";
import { findSample } from "../../src/shards/inspect.js";
import { randomFor } from "../../src/shards/random.js";
import { restoreJpeg } from "../../src/shards/restore.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { cmykKind, jpegKinds, makeJpeg, rgbKind, testPixels } from "../support/jpegs.js";
import { psnr } from "../support/pictures.js";

const [width, height] = [60, 44];
const rgb = testPixels(width, height, 3, randomFor(5, "convert"));
const image = () => sharp(rgb, { raw: { width, height, channels: 3 } });

/** Preprocesses one image and gives its record and the pixels of the file that `export` would write. */
async function stored(folder: string, name: string, bytes: Uint8Array, options: Partial<PreprocessOptions> = {}) {
  const source = await writeTar(path.join(folder, `${name}.tar`), [
    [name, bytes],
    [name.replace(/\.[^.]*$/, ".cls"), "0"],
  ]);
  const out = path.join(folder, `out-${name}`);
  const report = await preprocess({ sources: [source], out, overwrite: true, ...options });
  const found = await findSample(report.manifest, name.replace(/\.[^.]*$/, ""));
  const file = restoreJpeg(found.sample, found.codec, source);
  return { report, sample: found.sample, file, pixels: readPixels(file, 1e8) };
}

const formats = {
  "image.png": () => image().png().toBuffer(),
  "lossless.webp": () => image().webp({ lossless: true }).toBuffer(),
  "image.tiff": () => image().tiff({ compression: "none" }).toBuffer(),
  "named.JPEG": () => image().png().toBuffer(), // ImageNet's one PNG
  "deep.png": () => image().toColourspace("rgb16").png().toBuffer(),
  "alpha.png": () => image().ensureAlpha(0.5).png().toBuffer(),
};
for (const [name, make] of Object.entries(formats)) {
  test(`${name}: decoded, encoded at quality 100, flagged and counted`, async (t) => {
    const { report, sample, pixels } = await stored(temporaryFolder(t), name, await make());
    assert.deepEqual([report.samples, report.converted, report.failed], [1, 1, 0]);
    assert.equal(sample.flags & recordFlags.converted, recordFlags.converted);
    assert.deepEqual([pixels.width, pixels.height, pixels.channels], [width, height, 3]);
    assert.ok(psnr(pixels.pixels, rgb) > 45, `${psnr(pixels.pixels, rgb)} dB`);
  });
}

test("a GIF becomes its first frame", async (t) => {
  const gif = await image().gif().toBuffer();
  const expected = await sharp(gif).removeAlpha().raw().toBuffer();
  const { pixels } = await stored(temporaryFolder(t), "image.gif", gif);
  assert.ok(psnr(pixels.pixels, expected) > 40);
});

test("RGB and CMYK JPEGs become YCbCr; CMYK is read as Adobe writes it", async (t) => {
  const folder = temporaryFolder(t);
  const rgbFile = makeJpeg(rgbKind);
  const fromRgb = await stored(folder, "rgb.jpg", rgbFile);
  assert.equal(fromRgb.report.converted, 1);
  assert.ok(psnr(fromRgb.pixels.pixels, readPixels(rgbFile, 1e8).pixels) > 45);
  // Inverted CMYK of one colour: R = C * K / 255 and so on.
  const ink = new Uint8Array(16 * 16 * 4).map((_, i) => [200, 100, 50, 128][i % 4] as number);
  const cmyk = await stored(folder, "cmyk.jpg", encodeJpeg(ink, 16, 16, 4, { quality: 100 }));
  assert.equal(cmyk.report.converted, 1);
  const [r, g, b] = cmyk.pixels.pixels;
  assert.ok(
    Math.abs((r as number) - 100) <= 2 && Math.abs((g as number) - 50) <= 2 && Math.abs((b as number) - 25) <= 2,
  );
  assert.equal((await stored(folder, "kind.jpg", makeJpeg(cmykKind))).report.converted, 1);
});

test("a broken image of another format is a failure with a reason", async (t) => {
  const png = await image().png().toBuffer();
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ["good.png", png],
    ["good.cls", "0"],
    ["cut.png", png.subarray(0, png.length >> 1)],
    ["cut.cls", "0"],
  ]);
  const report = await preprocess({ sources: [source], out: path.join(folder, "out") });
  assert.deepEqual([report.samples, report.errors], [1, { BAD_IMAGE: 1 }]);
});

/** A JPEG with an EXIF segment that says nothing but the orientation. */
function withOrientation(jpeg: Uint8Array, orientation: number): Uint8Array {
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
  const body = [...Buffer.from("Exif\0\0", "latin1"), ...tiff];
  return Uint8Array.from([0xff, 0xd8, 0xff, 0xe1, 0, body.length + 2, ...body, ...jpeg.subarray(2)]);
}

for (let orientation = 1; orientation <= 8; orientation++) {
  test(`orientation ${orientation}: kept and ignored, or applied`, async (t) => {
    const folder = temporaryFolder(t);
    const file = withOrientation(encodeJpeg(rgb, width, height, 3, { quality: 100 }), orientation);
    assert.equal(readOrientation(file), orientation);
    const ignored = await stored(folder, "a.jpg", file);
    assert.deepEqual([ignored.sample.orientation, ignored.report.converted], [orientation, 0]);
    assert.deepEqual(Buffer.from(ignored.file), Buffer.from(file), "lossless all the same");
    const applied = await stored(folder, "b.jpg", file, { orient: "apply" });
    const upright = await sharp(file).rotate().raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([applied.sample.width, applied.sample.height], [upright.info.width, upright.info.height]);
    assert.equal(applied.report.converted, orientation === 1 ? 0 : 1);
    assert.ok(psnr(applied.pixels.pixels, upright.data) > 40);
  });
}

test("our decoder and libjpeg give the same shards", async (t) => {
  const folder = temporaryFolder(t);
  for (const [i, kind] of jpegKinds.entries()) {
    const own = await stored(folder, `${i}.jpg`, makeJpeg(kind));
    const theirs = await stored(folder, `${i}.jpg`, makeJpeg(kind), { decoder: "libjpeg" });
    assert.deepEqual(own.sample, theirs.sample);
  }
});
