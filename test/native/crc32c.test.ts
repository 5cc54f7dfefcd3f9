import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "../../src/native/index.js";

const table = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
  return value;
});

/** Byte by byte, as RFC 3720 defines it. */
function reference(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

test("crc32c is the definition's for every length around its runs, and goes on from what precedes", () => {
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 13);
  for (const length of [0, 1, 7, 8, 9, 4095, 4096, 12_287, 12_288, 12_289, 24_576, 24_583, 40_000]) {
    const part = bytes.subarray(0, length);
    assert.equal(crc32c(part), reference(part), `${length} bytes`);
    for (const cut of [1, 5, 12_288].filter((at) => at < length))
      assert.equal(
        crc32c(part.subarray(cut), crc32c(part.subarray(0, cut))),
        reference(part),
        `${length} cut at ${cut}`,
      );
  }
});
