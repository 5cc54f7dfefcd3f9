// Which samples' bytes lie side by side in one file, so that one read brings them: those of a record batch, whose
// coefficients follow each other. Between two batches lie the other columns of the second.
import type { ByteRange } from "../storage/object-store.js";
import { joinUrl } from "../storage/url.js";
import type { Dataset } from "./dataset.js";
import { placeOf } from "./search.js";

/** The bytes of samples that follow each other in one extent. */
export interface StoredBytes {
  readonly url: string;
  readonly range: ByteRange;
  /** Names them among all bytes of all data sets. */
  readonly key: string;
}

/** The extents of a data set: samples [first, end) each, all samples of which one read can bring. */
export class Extents {
  /** First sample of every record batch, and of the end. */
  private readonly starts: Float64Array;

  constructor(private readonly dataset: Dataset) {
    const batches = dataset.manifest.shards.flatMap((shard) => shard.batches);
    this.starts = new Float64Array(batches.length + 1);
    for (const [i, { samples }] of batches.entries()) this.starts[i + 1] = (this.starts[i] as number) + samples;
  }

  /** The number of the extent that a sample lies in. */
  numberOf(sample: number): number {
    return placeOf(this.starts, sample);
  }

  /** What an extent has of samples [first, end). */
  within(number: number, first: number, end: number): { readonly first: number; readonly end: number } {
    return {
      first: Math.max(first, this.starts[number] as number),
      end: Math.min(end, this.starts[number + 1] as number),
    };
  }

  /** Where the bytes of samples [first, first + count) are; they must lie in one extent. */
  bytesOf(first: number, count: number): StoredBytes {
    const { manifest, offsets, firstSamples, index } = this.dataset;
    const shard = manifest.shards[placeOf(firstSamples, first)];
    const last = first + count - 1;
    const start = offsets[first] as number;
    return {
      url: joinUrl(manifest.folder, shard?.name as string),
      range: { start, end: (offsets[last] as number) + (index.byteLength[last] as number) },
      key: `${shard?.sha256}-${start}-${count}`,
    };
  }
}
