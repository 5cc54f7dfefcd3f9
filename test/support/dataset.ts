// A small data set through the real preprocess, for the tests of everything that reads shards.
import { createHash } from "node:crypto";
import path from "node:path";
import type { Codec } from "../../src/native/index.js";
import { indexSources } from "../../src/pipeline/preprocess/index-sources.js";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { type TarEntries, writeTar } from "./files.js";
import { arithmeticKind, jpegKinds, makeJpeg, progressiveKind } from "./jpegs.js";

/** `count` samples of all kinds of JPEG, two classes in turn. */
export function sampleEntries(count: number, prefix = "s"): TarEntries {
  const kinds = [...jpegKinds, progressiveKind, arithmeticKind];
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i % kinds.length] as (typeof kinds)[number];
    const key = `${prefix}${String(i).padStart(4, "0")}`;
    const image = [`${key}.jpg`, makeJpeg(kind, i)] as const;
    return [
      image,
      [`${key}.cls`, String(i % 2)] as const,
      [`${key}.json`, JSON.stringify({ name: `class ${i % 2}` })] as const,
    ];
  }).flat();
}

export interface TestDataset {
  readonly manifest: string;
  readonly report: PreprocessReport;
  readonly entries: TarEntries;
}

export async function makeDataset(
  folder: string,
  count: number,
  options: { codec?: Codec; workers?: number; maxShardBytes?: number } = {},
): Promise<TestDataset> {
  const entries = sampleEntries(count);
  const source = await writeTar(path.join(folder, "source.tar"), entries);
  const report = await preprocess({ sources: [source], out: path.join(folder, "shards"), workers: 1, ...options });
  return { manifest: report.manifest, report, entries };
}

/** The same samples as an index: their files stay in the tar, but for some. */
export async function makeIndex(folder: string, count: number): Promise<TestDataset> {
  const entries = sampleEntries(count);
  const source = await writeTar(path.join(folder, "source.tar"), entries);
  const report = await indexSources({ sources: [source], out: path.join(folder, "index"), workers: 1 });
  return { manifest: report.manifest, report, entries };
}

export const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
