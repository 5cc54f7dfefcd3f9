// The benches' input: the tars named on the command line, or generated pictures of ImageNet's mean size.
import { createReadStream } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { encodeJpeg, simdLevel } from "../src/native/index.js";
import { ByteReader } from "../src/pipeline/preprocess/byte-reader.js";
import { isImageName } from "../src/pipeline/preprocess/entry-names.js";
import { readTar } from "../src/pipeline/preprocess/tar.js";
import { randomFor } from "../src/shards/random.js";
import { expandPatterns } from "../src/storage/expand.js";
import { medianOf } from "../tools/profile/quantile.js";
import { short, usually } from "./settings.js";

/** Median time of `work` over several passes after a warm-up, in seconds. */
export function medianSeconds(work: () => void, passes = 5): number {
  work();
  const times = Array.from({ length: passes }, () => {
    const started = performance.now();
    work();
    return (performance.now() - started) / 1000;
  });
  return medianOf(times);
}

export function printMachine(): void {
  if (short) console.log("DCTSTREAM_BENCH=short: the figures say nothing");
  console.log(`${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}, ${simdLevel}`);
}

export async function benchImages(patterns: readonly string[]): Promise<Uint8Array<ArrayBuffer>[]> {
  if (patterns.length === 0) return generatedImages(usually(60, 4));
  const images: Uint8Array<ArrayBuffer>[] = [];
  for (const tar of await expandPatterns(patterns)) {
    const stream = { open: () => createReadStream(tar), seekableBytes: undefined };
    const options = { maxEntryBytes: 64 << 20, wants: isImageName };
    for await (const entries of readTar(new ByteReader(stream), tar, options))
      for (const { bytes } of entries) if (bytes !== undefined) images.push(new Uint8Array(bytes));
  }
  return images;
}

/** The tars of the command line by kind: after each option those up to the next one. */
export function namedTars(bench: string): { readonly originals?: string[]; readonly small?: string[] } {
  const tarsOf = { type: "string", multiple: true } as const;
  const { tokens } = parseArgs({ options: { originals: tarsOf, small: tarsOf }, allowPositionals: true, tokens: true });
  const given: Record<string, string[]> = {};
  let option: string | undefined;
  for (const token of tokens) {
    if (token.kind === "option") option = token.name;
    const tar = token.kind === "option-terminator" ? undefined : token.value;
    if (option === undefined)
      throw new Error(`usage: node dist/bench/${bench}.js [--originals TARS..] [--small TARS..]`);
    given[option] = [...(given[option] ?? []), ...(tar === undefined ? [] : [tar])];
  }
  return given;
}

function generatedImages(count: number): Uint8Array<ArrayBuffer>[] {
  const [width, height] = [500, 375];
  return Array.from({ length: count }, (_, i) => {
    const random = randomFor(i, "bench");
    const pixels = new Uint8Array(width * height * 3);
    for (let at = 0; at < pixels.length; at++) pixels[at] = 128 + 60 * Math.sin(at / 700) + 40 * (random.next() - 0.5);
    const sampling = i % 4 === 0 ? { lumaH: 2, lumaV: 2 } : {};
    return encodeJpeg(pixels, width, height, 3, { quality: 92, ...sampling });
  });
}
