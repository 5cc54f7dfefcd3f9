// Whether a record agrees with its file: read anew, the file must give the same image, whatever the record's checksums
// are.
import { ToolkitError } from "../errors.js";
import {
  type Codec,
  type JpegFacts,
  type JpegRecord,
  readJpeg,
  readOrientation,
  unpackCoefficients,
} from "../native/index.js";
import { recordFlags } from "./flags.js";
import type { SampleRecord } from "./record.js";
import { restoreJpeg } from "./restore.js";

/**
 * What its file contains. Throws CORRUPT_RECORD when that is another image than the record's; TOO_MANY_PIXELS, and what
 * reading a JPEG throws.
 */
export function verifyRecord(sample: SampleRecord, codec: Codec, source: string, maxPixels: number): JpegFacts {
  const { width, height, key } = sample;
  if (width * height > maxPixels) {
    const message = `${width} x ${height} pixels, at most ${maxPixels} are verified: \`maxPixels\` raises that`;
    throw new ToolkitError("TOO_MANY_PIXELS", message, { source, key });
  }
  const file = restoreJpeg(sample, codec, source);
  const found = readJpeg(file, maxPixels, codec);
  const difference = differenceBetween(sample, found, codec) ?? orientationProblem(sample, file);
  if (difference === undefined) return found;
  throw new ToolkitError("CORRUPT_RECORD", `its file has other ${difference} than the record`, { source, key });
}

function differenceBetween(sample: SampleRecord, found: JpegRecord, codec: Codec): string | undefined {
  const { components, flags } = sample;
  const same = (flag: number, value: boolean) => ((flags & flag) !== 0) === value;
  if (found.width !== sample.width || found.height !== sample.height) return "measures";
  if (JSON.stringify(found.components) !== JSON.stringify(components)) return "sampling factors or grids";
  if (!equal(found.quantTables, sample.quantTables)) return "quantisation tables";
  if (!same(recordFlags.progressive, found.progressive) || !same(recordFlags.arithmetic, found.arithmetic))
    return "coding";
  if (!same(recordFlags.rawStored, sample.raw !== undefined)) return "parts";
  // Another version of zstd may have stored the same coefficients in other bytes.
  if (equal(found.packed, sample.packed)) return undefined;
  const stored = unpackCoefficients(sample.packed, components, codec);
  return equal(stored, unpackCoefficients(found.packed, components, codec)) ? undefined : "coefficients";
}

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
