// Data sets that say what is not so, with every checksum right: what anybody who has this library can publish.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crc32c, openSeekBlock, readSeekFacts, sealSeekBlock } from "../../src/native/index.js";
import { type LoadedManifest, type Manifest, readManifest } from "../../src/shards/manifest.js";
import { readShard } from "../../src/shards/reader.js";
import type { SampleRecord } from "../../src/shards/record.js";
import { SampleIndexBuilder } from "../../src/shards/sample-index-builder.js";
import type { BlockEntry, SeekEntry } from "../../src/shards/seek-file.js";
import { ShardWriter } from "../../src/shards/writer.js";

/** All records of a data set, in memory of their own. */
export async function readRecords(url: string): Promise<SampleRecord[]> {
  const manifest = await readManifest(url);
  const records: SampleRecord[] = [];
  for (const shard of manifest.shards)
    for await (const batch of readShard(manifest, shard))
      for (let row = 0; row < batch.length; row++) records.push(batch.sample(row));
  return records;
}

/**
 * Writes a data set of these records into an empty folder, one shard; everything else is as in the manifest at `like`.
 * Returns its manifest.
 */
export async function forgeDataset(like: string, folder: string, records: readonly SampleRecord[]): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const { folder: home, url: _, ...manifest } = await readManifest(like);
  const name = "shard-00000-00000.arrow";
  const writer = await ShardWriter.open({ folder, name, source: 0 }, manifest.codec);
  const builder = new SampleIndexBuilder();
  for (const record of records) {
    await writer.append(record);
    builder.add(record);
  }
  const { shard } = await writer.finish();
  const sidecar = JSON.parse(readFileSync(path.join(home, name.replace(".arrow", ".json")), "utf8")) as object;
  writeFileSync(path.join(folder, name.replace(".arrow", ".json")), JSON.stringify({ ...sidecar, shard }));
  writeFileSync(path.join(folder, "index.arrow"), builder.finish());
  const body = { ...manifest, samples: records.length, shards: [shard] };
  writeFileSync(path.join(folder, "manifest.json"), JSON.stringify(body));
  return sealDataset(folder);
}

function measure(file: string): { readonly byteLength: number; readonly sha256: string } {
  const bytes = readFileSync(file);
  return { byteLength: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/**
 * Changes the open blocks of a data set's first seek file, each in place, and makes all checksums right again. Returns
 * its manifest.
 */
export function forgeSeekFile(folder: string, change: (block: Uint8Array, number: number) => void): string {
  const url = path.join(folder, "manifest.json");
  const manifest = JSON.parse(readFileSync(url, "utf8")) as Manifest;
  const seek = manifest.shards[0]?.seek as SeekEntry;
  const file = path.join(folder, seek.name);
  const bytes = readFileSync(file);
  const sealed = seek.blocks.map(({ offset, byteLength }, number) => {
    const block = openSeekBlock(bytes.subarray(offset, offset + byteLength));
    change(block, number);
    return sealSeekBlock(
      [block],
      readSeekFacts(block).map((facts) => facts.offset),
    );
  });
  writeFileSync(file, Buffer.concat(sealed));
  let offset = 0;
  const blocks = sealed.map(({ length: byteLength }, i) => {
    offset += byteLength;
    return { ...(seek.blocks[i] as BlockEntry), offset: offset - byteLength, byteLength };
  });
  const shards = manifest.shards.map((shard, i) => (i === 0 ? { ...shard, seek: { ...seek, blocks } } : shard));
  writeFileSync(url, JSON.stringify({ ...manifest, shards }));
  return sealDataset(folder);
}

/** Makes every checksum and length of a data set right again, whatever its files hold now. Returns its manifest. */
export function sealDataset(folder: string, change: (manifest: Manifest) => void = () => {}): string {
  const url = path.join(folder, "manifest.json");
  const manifest = JSON.parse(readFileSync(url, "utf8")) as LoadedManifest;
  const index = readFileSync(path.join(folder, manifest.index.name));
  const shards = manifest.shards.map((shard) => {
    const bytes = readFileSync(path.join(folder, shard.name));
    const batches = shard.batches.map((batch) => ({
      ...batch,
      crc32c: crc32c(bytes.subarray(batch.offset, batch.offset + batch.byteLength)),
    }));
    const seek = shard.seek && { ...shard.seek, ...measure(path.join(folder, shard.seek.name)) };
    const sealed = { ...shard, ...measure(path.join(folder, shard.name)), batches, ...(seek && { seek }) };
    const file = path.join(folder, shard.name.replace(".arrow", ".json"));
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, "utf8")) as object), shard: sealed }));
    return sealed;
  });
  const sealed = { ...manifest, shards, index: { ...manifest.index, byteLength: index.length, crc32c: crc32c(index) } };
  change(sealed);
  writeFileSync(url, JSON.stringify(sealed));
  return url;
}
