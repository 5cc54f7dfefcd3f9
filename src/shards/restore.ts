// A record -> the JPEG file it was made from, byte for byte.
import { ToolkitError } from "../errors.js";
import { type Codec, crc32c, rebuildJpeg } from "../native/index.js";
import type { SampleRecord } from "./record.js";

/**
 * The original file, checked against its checksum. CHECKSUM_MISMATCH when the record is damaged, CORRUPT_RECORD when
 * what it holds is not a JPEG.
 */
export function restoreJpeg(sample: SampleRecord, codec: Codec, source: string): Uint8Array {
  const { key, components, packed } = sample;
  const bytes = sample.raw ?? rebuildJpeg(sample.header, sample.trailer, { components, packed, codec });
  if (crc32c(bytes) !== sample.imageCrc32c)
    throw new ToolkitError("CHECKSUM_MISMATCH", "the rebuilt file is not the original", { source, key });
  checkIsJpeg(bytes, source, key);
  return bytes;
}

/** Throws CORRUPT_RECORD unless a file begins as a JPEG: a record could hand out anything else as one. */
export function checkIsJpeg(file: Uint8Array, source: string, key: string): void {
  if (file[0] === 0xff && file[1] === 0xd8) return;
  throw new ToolkitError("CORRUPT_RECORD", "its file is not a JPEG", { source, key });
}
