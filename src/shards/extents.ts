// Which samples' bytes lie side by side in one file, so that one read brings them: those of a record batch, whose
// coefficients follow each other, and neighbouring files of a tar. Between two batches lie the other columns of the
// second, between two files a header and maybe a label.
import type { ByteRange } from "../storage/object-store.js";
import type { Dataset } from "./dataset.js";
import { placeOf } from "./search.js";
import { isInSource, urlOfSample } from "./source-files.js";

/** More than this between two files of a tar is not read in vain. */
const maxGapBytes = 128 << 10;

/** The bytes of samples that follow each other in one extent. */
export interface StoredBytes {
  readonly url: string;
  readonly range: ByteRange;
  /** Names them among all bytes of all data sets. */
  readonly key: string;
}

/** The extents of a data set: samples [first, end) each, all samples of which one read can bring. */
export class Extents {
  /** First sample of every extent, and of the end. */
  private readonly starts: Float64Array;

  constructor(private readonly dataset: Dataset) {
    this.starts = Float64Array.from(dataset.files === undefined ? batchStarts(dataset) : mixedStarts(dataset));
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
    const { manifest, offsets, byteLengths, firstSamples, files } = this.dataset;
    const shard = placeOf(firstSamples, first);
    const entry = manifest.shards[shard];
    const last = first + count - 1;
    const start = offsets[first] as number;
    return {
      url: urlOfSample(manifest, this.dataset, first),
      range: { start, end: (offsets[last] as number) + (byteLengths[last] as number) },
      // A seek file alone may be that of several tars, or of a part of one.
      key: isInSource(files, first)
        ? `${entry?.sha256}-${entry?.seek?.sha256}-${first - (firstSamples[shard] as number)}-${count}`
        : `${entry?.sha256}-${start}-${count}`,
    };
  }
}

function* batchStarts({ manifest }: Dataset): Generator<number> {
  let first = 0;
  yield first;
  for (const { batches } of manifest.shards)
    for (const { samples } of batches) {
      first += samples;
      yield first;
    }
}

/** A record is never in one extent with a file, and a file that is an object of its own is in none with another. */
function* mixedStarts(dataset: Dataset): Generator<number> {
  const { offsets, byteLengths, files } = dataset;
  let begins = -1;
  for (const start of batchStarts(dataset)) {
    for (let sample = begins + 1; sample < start; sample++) {
      const inSource = isInSource(files, sample);
      const gap = (offsets[sample] as number) - (offsets[sample - 1] as number) - (byteLengths[sample - 1] as number);
      const follows =
        inSource === isInSource(files, sample - 1) &&
        (!inSource || (files?.extension[sample] === 0 && gap >= 0 && gap <= maxGapBytes));
      if (!follows) yield sample;
    }
    yield start;
    begins = start;
  }
}
