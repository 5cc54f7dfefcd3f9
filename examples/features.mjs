// Feature extraction: every image once, in the data set's order, to 192 numbers: the mean magnitude of each frequency
// of Y, Cb and Cr, which say how much detail of which direction and size an image holds. Written as a NumPy array, its
// rows' keys beside it.
//
//   node examples/features.mjs SHARDS OUT.npy
import { createWriteStream, writeFileSync } from "node:fs";
import { finished } from "node:stream/promises";
import { loadBatches, openDataset } from "dctstream";

const [shards, out] = process.argv.slice(2);
if (shards === undefined || out === undefined) throw new Error("usage: node examples/features.mjs SHARDS OUT.npy");

const width = 192;
const { manifest } = await openDataset(shards);
const file = createWriteStream(out);
file.write(npyHeader([manifest.samples, width]));
const keys = [];
const view = { kind: "dct", size: 224, augment: "eval" };
for await (const batch of loadBatches(manifest, { view, batchSize: 32, shuffle: false })) {
  for (let sample = 0; sample < batch.samples; sample++) file.write(Buffer.from(features(batch.arrays, sample).buffer));
  keys.push(...batch.keys);
}
file.end();
await finished(file);
writeFileSync(`${out}.keys`, `${keys.join("\n")}\n`);
console.log(`${keys.length} rows of ${width} features in ${out}, their keys in ${out}.keys`);

function features(planes, sample) {
  const sums = new Float32Array(width);
  for (const [component, { data, shape }] of planes.entries()) {
    const size = data.length / shape[0];
    const blocks = size / 64;
    for (let i = 0; i < size; i++) sums[64 * component + (i % 64)] += Math.abs(data[sample * size + i]) / blocks;
  }
  return sums;
}

/** Version 1.0 of NumPy's format: little-endian float32, row by row. */
function npyHeader(shape) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(padded.length);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), length, Buffer.from(padded)]);
}
