// Reading what has a checksum: bits do flip on the way, so bytes that are wrong are read again before they are called
// damaged.
import { ToolkitError } from "../errors.js";
import { crc32c } from "../native/index.js";
import { at } from "../storage/at.js";
import { countRetry } from "../storage/counters.js";
import type { ByteRange } from "../storage/object-store.js";

export const maxReads = 5;

/** Memory that is taken on the word of a manifest alone; for more, the bytes must be there first. */
const trustedBytes = 64 << 20;

/**
 * Checks that a range is there, before memory is taken for a length that a file itself claims. Throws CORRUPT_SHARD
 * when it is large and not there; NOT_FOUND.
 */
export async function checkIsThere(url: string, range: ByteRange, signal?: AbortSignal): Promise<void> {
  if (range.end - range.start <= trustedBytes) return;
  const info = await at(url).stat(signal);
  if (info === undefined) throw new ToolkitError("NOT_FOUND", "no such file", { source: url });
  if (info.byteLength >= range.end) return;
  const message = `the file has ${info.byteLength} bytes, the manifest places something up to byte ${range.end}`;
  throw new ToolkitError("CORRUPT_SHARD", message, { source: url });
}

/**
 * Fills `target` from the range; `faultOf` gives what is wrong with it. Undefined when it is good in the end, the last
 * fault otherwise.
 */
export async function readChecked<Fault>(
  url: string,
  range: ByteRange,
  target: Uint8Array,
  faultOf: (bytes: Uint8Array) => Fault | undefined,
  signal?: AbortSignal,
): Promise<Fault | undefined> {
  for (let reads = 1; ; reads++) {
    await at(url).read(range, target, signal);
    const fault = faultOf(target);
    if (fault === undefined || reads === maxReads) return fault;
    countRetry("checksum");
  }
}

/** Reads bytes that have one CRC-32C: undefined when they match it in the end, otherwise the checksum found. */
export function readWithCrc(
  url: string,
  range: ByteRange,
  target: Uint8Array,
  expected: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const faultOf = (bytes: Uint8Array) => {
    const found = crc32c(bytes);
    return found === expected ? undefined : found;
  };
  return readChecked(url, range, target, faultOf, signal);
}
