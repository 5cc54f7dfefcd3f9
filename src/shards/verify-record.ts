// Whether a record agrees with its file: read anew, the file must give the same image, whatever the record's checksums
// are; and whether the index of a file that stayed in its source is that file's.
import { ToolkitError } from "../errors.js";
import {
  buildSeekSample,
  type Codec,
  factNumbers,
  type JpegFacts,
  type JpegRecord,
  parseFacts,
  readJpeg,
  readOrientation,
  takeSeekSample,
  unpackCoefficients,
} from "../native/index.js";
import { recordFlags } from "./flags.js";
import type { SampleRecord } from "./record.js";
import { restoreJpeg } from "./restore.js";
import type { StayedFile } from "./shard-rows.js";

/**
 * What its file contains. Throws CORRUPT_RECORD when that is another image than the record's; TOO_MANY_PIXELS, and what
 * reading a JPEG throws.
 */
export function verifyRecord(sample: SampleRecord, codec: Codec, source: string, maxPixels: number): JpegFacts {
  checkPixels(sample, source, maxPixels);
  const file = restoreJpeg(sample, codec, source);
  const found = readJpeg(file, maxPixels, codec);
  const difference = differenceBetween(sample, found, codec) ?? orientationProblem(sample, file);
  if (difference === undefined) return found;
  throw otherThanRecord(difference, sample, source);
}

/**
 * What a file that stayed in its source contains. Throws CORRUPT_RECORD as verifyRecord does, and CORRUPT_INDEX when
 * entering it as the seek file says would give something else.
 */
export function verifyStayed(
  sample: SampleRecord,
  { block, number, facts: { spacing } }: StayedFile,
  file: Uint8Array,
  source: string,
  maxPixels: number,
): JpegFacts {
  checkPixels(sample, source, maxPixels);
  const facts = new Float64Array(factNumbers);
  const made = buildSeekSample(file, { maxPixels, spacing }, facts);
  if ("refused" in made) {
    const message = `its file cannot be entered: ${made.refused}`;
    throw new ToolkitError("CORRUPT_INDEX", message, { source, key: sample.key });
  }
  const found = parseFacts(facts);
  const difference = differenceOfImages(sample, found) ?? orientationProblem(sample, file);
  if (difference !== undefined) throw otherThanRecord(difference, sample, source);
  if (equal(takeSeekSample(block, number), made.block)) return found;
  const message = "its file is to be entered otherwise than the seek file says";
  throw new ToolkitError("CORRUPT_INDEX", message, { source, key: sample.key });
}

function checkPixels({ width, height, key }: SampleRecord, source: string, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  const message = `${width} x ${height} pixels, at most ${maxPixels} are verified: \`maxPixels\` raises that`;
  throw new ToolkitError("TOO_MANY_PIXELS", message, { source, key });
}

function otherThanRecord(difference: string, { key }: SampleRecord, source: string): ToolkitError {
  return new ToolkitError("CORRUPT_RECORD", `its file has other ${difference} than the record`, { source, key });
}

function differenceOfImages({ width, height, components, flags }: SampleRecord, found: JpegFacts): string | undefined {
  if (found.width !== width || found.height !== height) return "measures";
  if (JSON.stringify(found.components) !== JSON.stringify(components)) return "sampling factors or grids";
  const sameCoding =
    has(flags, recordFlags.progressive, found.progressive) && has(flags, recordFlags.arithmetic, found.arithmetic);
  return sameCoding ? undefined : "coding";
}

function differenceBetween(sample: SampleRecord, found: JpegRecord, codec: Codec): string | undefined {
  const { components, flags } = sample;
  const difference = differenceOfImages(sample, found);
  if (difference !== undefined) return difference;
  if (!equal(found.quantTables, sample.quantTables)) return "quantisation tables";
  if (!has(flags, recordFlags.rawStored, sample.raw !== undefined)) return "parts";
  // Another version of zstd may have stored the same coefficients in other bytes.
  if (equal(found.packed, sample.packed)) return undefined;
  const stored = unpackCoefficients(sample.packed, components, codec);
  return equal(stored, unpackCoefficients(found.packed, components, codec)) ? undefined : "coefficients";
}

const has = (flags: number, flag: number, value: boolean) => ((flags & flag) !== 0) === value;

/** Files that were converted or resized have lost their EXIF data; the record keeps what the original's contained. */
function orientationProblem({ flags, orientation }: SampleRecord, file: Uint8Array): string | undefined {
  if ((flags & (recordFlags.converted | recordFlags.resized)) !== 0)
    return orientation <= 8 ? undefined : "orientations";
  return readOrientation(file) === orientation ? undefined : "orientations";
}

function equal(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}
