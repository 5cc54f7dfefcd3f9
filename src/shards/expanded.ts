// Samples in their expanded form: under codec "none", which takes twice the bytes and a fraction of the time to unpack.
// What a disk cache may hold instead of the bytes as they are stored: the lengths of the samples, and the samples one
// after another.

/** Little-endian uint32: the number of samples, and the length of each. */
const wordBytes = 4;

export function joinExpanded(lengths: readonly number[], bytes: Uint8Array): Uint8Array {
  const joined = new Uint8Array(wordBytes * (1 + lengths.length) + bytes.length);
  const words = new DataView(joined.buffer);
  for (const [i, value] of [lengths.length, ...lengths].entries()) words.setUint32(i * wordBytes, value, true);
  joined.set(bytes, wordBytes * (1 + lengths.length));
  return joined;
}

/** Where each sample lies in `joined`. Undefined when the bytes are of no `samples` samples. */
export function expandedLocations(
  joined: Uint8Array,
  samples: number,
): { offset: number; byteLength: number }[] | undefined {
  const words = new DataView(joined.buffer, joined.byteOffset, joined.byteLength);
  if (joined.length < wordBytes * (1 + samples) || words.getUint32(0, true) !== samples) return undefined;
  let offset = wordBytes * (1 + samples);
  const locations = Array.from({ length: samples }, (_, i) => {
    const byteLength = words.getUint32(wordBytes * (1 + i), true);
    offset += byteLength;
    return { offset: offset - byteLength, byteLength };
  });
  return offset === joined.length ? locations : undefined;
}
