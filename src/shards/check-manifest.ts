// What manifests and sidecars may contain beyond the types of their fields: names of files in their own folder, and
// numbers that can all be true at once. Readers allocate and loop by these numbers.
import { maxBlockSamples } from "../native/limits.js";
import { isRemote } from "../storage/url.js";
import { keyProblem } from "./key.js";
import { type SeekEntry, sourcesInUse } from "./seek-file.js";
import type { ShardEntry } from "./writer.js";

/** Every row of a record batch has this many bytes in its columns of numbers and offsets alone. */
const minRowBytes = 64;
/** Readers number samples with 32 bits. */
const maxSamples = 2 ** 32 - 1;

/** What is wrong with the first name that is not a plain name of a file in the folder; undefined when all are. */
export function nameProblem(names: readonly string[]): string | undefined {
  for (const name of names) {
    // Where a name becomes part of a URL, the last three have a meaning of their own.
    if (keyProblem(name) === undefined && !/[/\\%?#]/.test(name)) continue;
    return `it names ${JSON.stringify(name.slice(0, 200))}, which is not the name of a file in its folder; for a manifest of your own that does, there is \`allowOutside\``;
  }
  return undefined;
}

interface Layout {
  readonly samples: number;
  readonly shards: readonly ShardEntry[];
}

interface Sourced {
  readonly sources: readonly { readonly url: string; readonly kind?: "tar" | "class-folders" | undefined }[];
  readonly shards: readonly ShardEntry[];
}

/** Which source that files stayed in cannot be one; undefined when all can. */
export function sourceProblem({ sources, shards }: Sourced): string | undefined {
  for (const { name, seek } of shards) {
    if (seek === undefined) continue;
    const source = sources[seek.source];
    if (source?.kind === undefined) return `${name}: no source ${seek.source} of a known kind, where its files are`;
    if ((source.kind === "tar") !== (seek.extensions === undefined))
      return `${name}: its files are ${source.kind === "tar" ? "in a tar, but have names" : "in class folders, but have no names"} of their own`;
  }
  return undefined;
}

/**
 * Which source that files stayed in lies on this machine although the manifest comes from a service: who wrote it may
 * not have read these files. Undefined when none does.
 */
export function outsideProblem({ sources, shards }: Sourced, url: string): string | undefined {
  if (!isRemote(url)) return undefined;
  const used = sourcesInUse(shards).map((number) => sources[number]?.url ?? "");
  const local = used.find((source) => !isRemote(source));
  if (local === undefined) return undefined;
  return `its files are at ${JSON.stringify(local.slice(0, 200))} on this machine, while it comes from a service; for a manifest of your own there is \`allowOutside\``;
}

/** Which numbers contradict each other; undefined when none do. */
export function layoutProblem({ samples, shards }: Layout): string | undefined {
  let total = 0;
  for (const shard of shards) {
    const problem = shardProblem(shard);
    if (problem !== undefined) return `${shard.name}: ${problem}`;
    total += shard.samples;
  }
  if (total !== samples) return `${samples} samples stated, ${total} in its shards`;
  return samples > maxSamples ? `${samples} samples, at most ${maxSamples} are possible` : undefined;
}

function shardProblem({ byteLength, samples, batches, seek }: ShardEntry): string | undefined {
  let [end, rows] = [0, 0];
  for (const [i, batch] of batches.entries()) {
    if (batch.offset < end) return `record batch ${i} begins before the one in front of it ends`;
    end = batch.offset + batch.byteLength;
    if (end > byteLength) return `record batch ${i} ends at byte ${end} of ${byteLength}`;
    if (batch.coefficients > batch.byteLength) return `the coefficients of record batch ${i} begin behind its end`;
    if (batch.samples * minRowBytes > batch.byteLength)
      return `record batch ${i} has ${batch.samples} samples in ${batch.byteLength} bytes`;
    rows += batch.samples;
  }
  if (rows !== samples) return `${samples} samples stated, ${rows} in its record batches`;
  return seek && seekProblem(seek, samples);
}

function seekProblem({ byteLength, samples, blocks, extensions }: SeekEntry, inShard: number): string | undefined {
  let [end, rows] = [0, 0];
  for (const [i, block] of blocks.entries()) {
    if (block.offset < end) return `block ${i} begins before the one in front of it ends`;
    end = block.offset + block.byteLength;
    if (end > byteLength) return `block ${i} ends at byte ${end} of ${byteLength}`;
    if (block.samples < 1 || block.samples > maxBlockSamples)
      return `block ${i} has ${block.samples} samples, expected 1 to ${maxBlockSamples}`;
    rows += block.samples;
  }
  if (rows !== samples) return `${samples} samples in their source stated, ${rows} in blocks`;
  if (samples > inShard) return `${samples} samples in their source, ${inShard} in all`;
  if (extensions?.some((run) => run.samples < 1)) return "an extension of no samples";
  const named = extensions?.reduce((sum, run) => sum + run.samples, 0) ?? samples;
  return named === samples ? undefined : `extensions of ${named} samples, ${samples} are in their source`;
}
