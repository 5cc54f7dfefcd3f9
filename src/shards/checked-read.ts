// Reading what has a checksum: bits do flip on the way, so bytes that are wrong are read again before they are called damaged.
import { crc32c } from "../native/index.js";
import { countRetry } from "../storage/counters.js";
import { type ByteRange, openStore } from "../storage/store.js";

export const maxReads = 5;

/** Fills `target` from the range; `faultOf` says what is wrong with it. Undefined when it is good in the end, the last fault otherwise. */
export async function readChecked<Fault>(
  url: string,
  range: ByteRange,
  target: Uint8Array,
  faultOf: (bytes: Uint8Array) => Fault | undefined,
  signal?: AbortSignal,
): Promise<Fault | undefined> {
  for (let reads = 1; ; reads++) {
    await openStore(url).read(url, range, target, signal);
    const fault = faultOf(target);
    if (fault === undefined || reads === maxReads) return fault;
    countRetry("checksum");
  }
}

/** The same for bytes with one CRC-32C: undefined when they have it in the end, the checksum found otherwise. */
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
