// The write half, disk to disk, against the machine's own limits in the same run: libjpeg's coefficient reading on the
// same images and threads, and, for the resized form, sharp followed by coefficient reading.
//
//   node dist/bench/preprocess.js [tars..]      a minute or two; short tars are repeated until they are long enough
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import sharp from "sharp";
import { type Codec, readJpeg } from "../src/native/index.js";
import type { PreprocessOptions } from "../src/pipeline/preprocess/options.js";
import { preprocess } from "../src/pipeline/preprocess/preprocess.js";
import { SlabAllocator } from "../src/pipeline/preprocess/slab.js";
import { findSources, readSource } from "../src/pipeline/preprocess/sources.js";
import { SharedBuffers } from "../src/pipeline/shared-buffers.js";
import { TarWriter } from "../src/pipeline/tar-writer.js";
import { compileWithCores } from "./cores.js";
import { benchImages, printMachine } from "./images.js";
import { framed, measureLimits } from "./limits.js";
import { usually } from "./settings.js";

const work = mkdtempSync(path.join(tmpdir(), "dctstream-bench-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));

const images = await benchImages(process.argv.slice(2));
const meanBytes = images.reduce((sum, image) => sum + image.length, 0) / images.length;
printMachine();
console.log(`${images.length} images, ${Math.round(meanBytes)} bytes on average`);

/** One tar long enough to measure: 600 MB, or 30,000 images. */
async function longTar(): Promise<{ readonly url: string; readonly samples: number }> {
  const samples = Math.min(usually(30_000, 100), Math.ceil(6e8 / meanBytes));
  const url = path.join(work, "long.tar");
  const tar = await TarWriter.open(url);
  for (let i = 0; i < samples; i++) {
    await tar.entry(`${i}.jpg`, images[i % images.length] as Uint8Array);
    await tar.entry(`${i}.cls`, "0");
  }
  await tar.commit();
  return { url, samples };
}

const limits = compileWithCores("limits.cc", path.join(work, "limits"));
const input = framed(images);
const tar = await longTar();
const cores = availableParallelism();

const kernel = measureLimits(limits, input, 1, usually("3", "0.1"));
console.log(
  `\nkernel, one core: libjpeg ${kernel.libjpeg.toFixed(0)} images/s, our decoder ${kernel.baseline.toFixed(0)}: x ${(kernel.baseline / kernel.libjpeg).toFixed(2)}`,
);

async function readAll(): Promise<void> {
  const allocator = new SlabAllocator(new SharedBuffers());
  const rules = { classes: undefined, classesAreGiven: false, labelField: undefined, byName: undefined };
  for (const source of await findSources([tar.url]))
    for await (const items of readSource(source, { rules, maxEntryBytes: 1 << 26, allocate: allocator.allocate }))
      for (const { image } of items) if (image !== undefined) allocator.release(image);
}
const before = process.cpuUsage();
await readAll();
const { user, system } = process.cpuUsage(before);
const readSeconds = (user + system) / 1e6;
console.log(
  `front end, decoder left out: ${((tar.samples * meanBytes) / 1e9 / readSeconds).toFixed(2)} GB/s, ${(tar.samples / readSeconds).toFixed(0)} images/s per core`,
);

async function run(name: string, limit: number, options: Partial<PreprocessOptions>): Promise<number> {
  const out = path.join(work, "out");
  const start = performance.eventLoopUtilization();
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  const { imagesPerSecond } = await preprocess({ sources: [tar.url], out, overwrite: true, ...options });
  clearInterval(timer);
  const busy = performance.eventLoopUtilization(start).utilization;
  console.log(
    `  ${name.padEnd(28)} ${String(imagesPerSecond).padStart(6)} images/s  x ${(imagesPerSecond / limit).toFixed(2)}  main thread ${(100 * busy).toFixed(0)} % busy  ${(peak / 2 ** 20).toFixed(0)} MiB`,
  );
  return imagesPerSecond;
}

for (let workers = 1; workers <= cores; workers *= 2) {
  const { libjpeg } = measureLimits(limits, input, workers, usually("3", "0.1"));
  console.log(`\nlossless, ${workers} workers; libjpeg with as many threads: ${libjpeg.toFixed(0)} images/s`);
  for (const codec of ["zstd", "none"] as const satisfies readonly Codec[])
    await run(codec, libjpeg, { workers, codec });
  await run("zstd, decoder libjpeg", libjpeg, { workers, decoder: "libjpeg" });
}

/**
 * What one would do without this: sharp's decode, resize, centre crop and encode, then libjpeg's coefficients of what
 * it wrote.
 */
async function sharpPipeline(seconds: number): Promise<number> {
  sharp.concurrency(1);
  sharp.cache(false);
  const started = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() - started < seconds * 1000) {
      const image = images[done++ % images.length] as Uint8Array;
      // fit "cover" is resize and centre crop at once; 256 -> 224 of the usual pair.
      const resized = await sharp(image)
        .resize(256, 256, { fit: "cover" })
        .extract({ left: 16, top: 16, width: 224, height: 224 })
        .jpeg({ quality: 95 })
        .toBuffer();
      readJpeg(resized, 1e8, "none", "libjpeg");
    }
  };
  // As many at once as keep all cores busy: sharp works in libuv's threads.
  await Promise.all(Array.from({ length: 2 * cores }, worker));
  return (1000 * done) / (performance.now() - started);
}

const peer = await sharpPipeline(usually(6, 0.2));
console.log(
  `\nresized to 256, cropped to 224; sharp and reading its coefficients, all cores: ${peer.toFixed(0)} images/s`,
);
const resize = { shorterSide: 256, crop: 224 };
await run("--resize 256 --crop 224", peer, { resize });
await run("  the same, 4:4:4", peer, { resize: { ...resize, sampling: "4:4:4" } });
