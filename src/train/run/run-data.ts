// Which data a run is on, as run.json notes it, and in what way other data differ from them.
import { z } from "zod";
import { ToolkitError } from "../../errors.js";
import { crc32c } from "../../native/index.js";
import { publicUrl } from "../../public-url.js";
import { type Dataset, openIndex } from "../../shards/dataset.js";
import type { LoadedManifest } from "../../shards/manifest.js";

const checksum = z.number().int().nonnegative();

export const runDataSchema = z.object({
  url: z.string(),
  samples: z.number().int().nonnegative(),
  shards: z.number().int().nonnegative(),
  /** CRC-32C of the index: keys, labels, sizes and the checksums of all samples. */
  index: checksum,
  /** CRC-32C of the labels alone; left out for validation sets. */
  labels: checksum.optional(),
});

export type RunData = z.infer<typeof runDataSchema>;

/** What a manifest contains about its data. */
export function runDataOf({ url, samples, shards, index }: LoadedManifest): RunData {
  return { url: publicUrl(url), samples, shards: shards.length, index: index.crc32c };
}

/** What a run notes of its data, with the labels, so that a change of them alone is known as that. */
export function trainingDataOf(dataset: Dataset): RunData {
  return { ...runDataOf(dataset.manifest), labels: labelsChecksum(dataset) };
}

function labelsChecksum({ index: { label } }: Pick<Dataset, "index">): number {
  return crc32c(new Uint8Array(label.buffer, label.byteOffset, label.byteLength));
}

const isSame = (a: RunData, b: RunData) => a.samples === b.samples && a.shards === b.shards && a.index === b.index;

const sizeOf = ({ samples, shards }: RunData) => `${samples} samples in ${shards} ${shards === 1 ? "shard" : "shards"}`;

/**
 * What differs between a data set and what it was; undefined when it is the same. Reads the index only when it is not.
 */
export async function differenceOfData(before: RunData, manifest: LoadedManifest): Promise<string | undefined> {
  const now = runDataOf(manifest);
  if (isSame(before, now)) return undefined;
  const location = before.url === now.url ? now.url : `${now.url} (then ${before.url})`;
  if (before.samples !== now.samples || before.index === now.index)
    return `on ${sizeOf(before)}, now there are ${sizeOf(now)} in ${location}`;
  if (before.labels === undefined) return `on as many samples with other content; ${location} has changed`;
  const relabelled = labelsChecksum(await openIndex(manifest)) !== before.labels;
  return relabelled
    ? `with other labels: those of ${location} have changed, or the order of its samples`
    : `on other pictures with the same labels, or on the same compressed otherwise; ${location} has changed`;
}

/** Throws STATE_MISMATCH when a rank finds other data at its path than rank 0 does at its own. */
export function checkRanksAgree(own: RunData, ofRank0: RunData, rank: number): void {
  if (isSame(own, ofRank0)) return;
  const message = `rank ${rank} finds other data there than rank 0 in ${ofRank0.url}; give all ranks the same data set`;
  throw new ToolkitError("STATE_MISMATCH", message, { source: own.url });
}
