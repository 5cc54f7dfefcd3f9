// Images of other formats: Pillow's colours for all of them, only the formats that are promised, and no image that
// costs without end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { readPixels } from "../../src/native/index.js";
import { imageBatches } from "../../src/pipeline/direct/image-batches.js";
import { decodeForeign } from "../../src/pipeline/foreign/foreign-decoder.js";
import { foreignFormat } from "../../src/pipeline/foreign/format.js";
import { decodeLimits } from "../../src/pipeline/foreign/limits.js";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { recordFlags } from "../../src/shards/flags.js";
import { findSample } from "../../src/shards/inspect.js";
import { restoreJpeg } from "../../src/shards/restore.js";
import { rejectsWith } from "../support/errors.js";
import { projectRoot, temporaryFolder, writeTar } from "../support/files.js";
import { asRgb, labTiff, makeTiff, type Picture, pictureNamed, psnr, readPictures } from "../support/pictures.js";

/** Names without a dot but the last are keys in any reading of WebDataset. */
const keyOf = (name: string) => name.replaceAll(".", "-");

async function store(
  folder: string,
  files: readonly (readonly [string, Uint8Array])[],
  options: Partial<PreprocessOptions> = {},
) {
  const entries = files.flatMap(
    ([name, file]) =>
      [
        [`${keyOf(name)}${path.extname(name)}`, file],
        [`${keyOf(name)}.cls`, "0"],
      ] as const,
  );
  const source = await writeTar(path.join(folder, "pictures.tar"), entries);
  return preprocess({ sources: [source], out: path.join(folder, "out"), overwrite: true, ...options });
}

/** The record of a picture, and the pixels of the file that `export` would write. */
async function storedAs(manifest: string, name: string) {
  const { sample, codec } = await findSample(manifest, keyOf(name));
  return { sample, pixels: readPixels(restoreJpeg(sample, codec, manifest), 1e8) };
}

test("every kind of picture has the colours that Pillow gives it, and keeps its orientation", async (t) => {
  const pictures = readPictures();
  const report = await store(
    temporaryFolder(t),
    pictures.map(({ name, file }) => [name, file] as const),
  );
  assert.deepEqual([report.samples, report.errors], [pictures.length, {}]);
  for (const { name, rgb, width, height, orientation } of pictures) {
    const { sample, pixels } = await storedAs(report.manifest, name);
    assert.deepEqual([pixels.width, pixels.height], [width, height], name);
    const found = psnr(asRgb(pixels), rgb);
    assert.ok(found >= 40, `${name}: ${found} dB`);
    if (orientation !== undefined) assert.equal(sample.orientation, orientation, name);
    if (!name.endsWith(".jpg")) assert.equal(sample.flags & recordFlags.converted, recordFlags.converted, name);
  }
});

test("with --orient apply all formats are turned, and nothing is left to turn", async (t) => {
  const pictures = readPictures().filter(({ orientation }) => orientation === 6);
  assert.equal(pictures.length, 5);
  const files = pictures.map(({ name, file }) => [name, file] as const);
  const { manifest } = await store(temporaryFolder(t), files, { orient: "apply" });
  for (const picture of pictures) {
    const { sample, pixels } = await storedAs(manifest, picture.name);
    assert.deepEqual(
      [pixels.width, pixels.height, sample.orientation],
      [picture.height, picture.width, 0],
      picture.name,
    );
    assert.ok(psnr(pixels.pixels, clockwise(picture)) >= 40, picture.name);
  }
});

function clockwise({ rgb, width, height }: Picture): Uint8Array {
  return Uint8Array.from({ length: rgb.length }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % height, Math.floor(i / 3 / height)];
    return rgb[3 * ((height - 1 - x) * width + y) + c] as number;
  });
}

test("16-bit grey is scaled, where Pillow cuts it off at 255", async () => {
  const deep = Uint16Array.from({ length: 256 }, (_, i) => i * 257);
  const bytes = await sharp(deep, { raw: { width: 16, height: 16, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toBuffer();
  const { pixels, channels } = await decodeForeign({ bytes, format: "PNG", maxPixels: 1e6, upright: false });
  assert.equal(channels, 1);
  assert.deepEqual(Buffer.from(pixels), Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i)));
});

const avif = pictureNamed("frames.avif").file;
function withMajorBrand(brand: string): Buffer {
  const file = Buffer.from(avif);
  file.write(brand, 8, "latin1");
  return file;
}

test("AVIF is told by its compatible brands, which the major one need not be; HEIC is another format", async () => {
  for (const brand of ["mif1", "avis", "MA1A"]) {
    const bytes = withMajorBrand(brand);
    assert.equal(foreignFormat(bytes), "AVIF", brand);
    const { width } = await decodeForeign({ bytes, format: "AVIF", maxPixels: 1e6, upright: false });
    assert.equal(width, 24);
  }
  await rejectsWith("UNSUPPORTED_IMAGE", () => foreignFormat(withMajorBrand("heic")), /HEIC/);
});

function pngHeader(width: number, height: number): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const chunk = (kind: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(kind, "latin1"), data]);
    const out = Buffer.alloc(12 + data.length);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), 8 + data.length);
    return out;
  };
  const magic = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([
    magic,
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(Buffer.alloc(1000))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

const half = (name: string) => {
  const { file } = pictureNamed(name);
  return file.subarray(0, file.length >> 1);
};
const ascii = (text: string) => Buffer.from(text, "latin1");
const refused: Readonly<Record<string, readonly [code: string, file: Uint8Array]>> = {
  "lab.tif": ["BAD_IMAGE", labTiff],
  "float-rgb.tif": ["BAD_IMAGE", makeTiff([258, 3, 32], [262, 3, 2], [277, 3, 3], [339, 3, 3], [279, 4, 768])],
  "zstd.tif": ["BAD_IMAGE", makeTiff([259, 3, 50000])],
  "no-directory.tif": ["BAD_IMAGE", ascii("II*\0\xff\xff\xff\xff")],
  "empty-directory.tif": ["BAD_IMAGE", ascii("MM\0*\0\0\0\x08\0\0\0\0\0\0")],
  "huge-tile.tif": ["BAD_IMAGE", makeTiff([322, 4, 1 << 20], [323, 4, 1 << 20], [324, 4, 8], [325, 4, 64])],
  "half.png": ["BAD_IMAGE", half("interlaced.png")],
  "half.gif": ["BAD_IMAGE", pictureNamed("palette.gif").file.subarray(0, 100)],
  "half.webp": ["BAD_IMAGE", half("alpha.webp")],
  "half.tif": ["BAD_IMAGE", half("tiff_lzw.tif")],
  "half.avif": ["BAD_IMAGE", half("alpha.avif")],
  "huge.png": ["TOO_MANY_PIXELS", pngHeader(50_000, 50_000)],
  "svg.avif": [
    "NOT_A_JPEG",
    ascii('<!--ftypavif--><svg xmlns="http://www.w3.org/2000/svg" width="9000" height="9000"></svg>'),
  ],
  "svg.jpg": ["UNSUPPORTED_IMAGE", ascii('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>')],
  "a.bmp": ["UNSUPPORTED_IMAGE", ascii("BM6\0\0\0")],
  "a.jp2": ["UNSUPPORTED_IMAGE", ascii("\0\0\0\x0cjP  \r\n\x87\n")],
  "a.jpg": ["UNSUPPORTED_IMAGE", ascii("\xff\x0a\0\0")],
  "a.heic": ["UNSUPPORTED_IMAGE", ascii("\0\0\0\x18ftypheic\0\0\0\0mif1heic")],
  "a.ppm": ["UNSUPPORTED_IMAGE", ascii("P6 1 1 255\n")],
};

test("what is damaged, not promised or without a rule is refused with a code, and the others are stored", async (t) => {
  const files = Object.entries(refused).map(([name, [, file]]) => [name, file] as const);
  const folder = temporaryFolder(t);
  const report = await store(folder, [...files, ["good.png", pictureNamed("alpha.png").file]]);
  const lines = readFileSync(path.join(folder, "out", "errors.jsonl"), "utf8")
    .trim()
    .split("\n");
  const failures = lines.map((line) => JSON.parse(line) as { key: string; code: string; message: string });
  const found = Object.fromEntries(failures.map(({ key, code }) => [key, code]));
  const expected = Object.fromEntries(Object.entries(refused).map(([name, [code]]) => [keyOf(name), code]));
  assert.deepEqual(found, expected);
  assert.equal(report.samples, 1);
});

test("what preprocess refuses or converts, predict does too", async () => {
  const files = [labTiff, pictureNamed("cmyk.tif").file, ascii("BM6\0\0\0"), pictureNamed("alpha.gif").file];
  async function* named() {
    for (const [i, bytes] of files.entries()) yield { name: `${i}`, bytes, error: undefined };
  }
  const view = { kind: "rgb", size: 16, augment: "none" } as const;
  for await (const { errors, release } of imageBatches(named(), { view, batchSize: 4, workers: 1 })) {
    assert.deepEqual(
      errors.map((error) => error?.code),
      ["BAD_IMAGE", undefined, "UNSUPPORTED_IMAGE", undefined],
    );
    release();
  }
});

test("an image that costs more than its size allows is refused, and the next one is decoded", async () => {
  // Large enough for a look at its costs to fall into its decoding, on any machine.
  const create = { width: 8000, height: 8000, channels: 3, background: "#aa8844" } as const;
  const task = {
    bytes: await sharp({ create }).png().toBuffer(),
    format: "PNG",
    maxPixels: 1e8,
    upright: false,
  } as const;
  const time = { ...decodeLimits, baseSeconds: 0, secondsPerMegapixel: 0 };
  const memory = { ...decodeLimits, baseBytes: 0, bytesPerFileByte: 0, bytesPerPixel: 0 };
  const small = { ...task, bytes: pictureNamed("alpha.png").file };
  for (const [limits, message] of [
    [time, /more than the 0 s of a processor/],
    [memory, /more than the 0 MiB/],
    [{ ...decodeLimits, wallMs: 1 }, /no answer in 0.001 s/],
  ] as const) {
    await rejectsWith("BAD_IMAGE", () => decodeForeign(task, limits), message);
    assert.equal((await decodeForeign(small)).width, 24);
  }
});

/** Processes that a process has started; Linux. */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return Number(readFileSync(`/proc/${name}/stat`, "latin1").split(") ")[1]?.split(" ")[1]) === pid;
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .map(Number);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1200; i++) {
    if (holds()) return;
    await sleep(50);
  }
  assert.fail(`not within a minute: ${what}`);
}

test("a decoder that is killed is replaced", async () => {
  const task = { bytes: pictureNamed("alpha.png").file, format: "PNG", maxPixels: 1e8, upright: false } as const;
  await decodeForeign(task);
  for (const pid of childrenOf(process.pid)) process.kill(pid, "SIGKILL");
  assert.equal((await decodeForeign(task)).width, 24);
});

test("a decoder ends with the process that it decodes for, however that ends", async () => {
  const decoderUrl = pathToFileURL(path.join(projectRoot, "dist/src/pipeline/foreign/foreign-decoder.js")).href;
  const program = `
    const { decodeForeign } = await import(${JSON.stringify(decoderUrl)});
    const bytes = Buffer.from("${pictureNamed("alpha.png").file.toString("base64")}", "base64");
    await decodeForeign({ bytes, format: "PNG", maxPixels: 1e6, upright: false });
    console.log("decoded");
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(parent.stdout, "data");
  const decoders = childrenOf(parent.pid as number);
  assert.equal(decoders.length, 1);
  parent.kill("SIGKILL");
  await until("its end", () => decoders.every((pid) => !existsSync(`/proc/${pid}`)));
});
