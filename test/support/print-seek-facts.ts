// What an index notes and says of files of every kind, as bytes: to compare SIMD levels, each in a process of its own.
import { buildSeekSample, factNumbers } from "../../src/native/index.js";
import { extremeJpegs, jpegKinds, makeJpeg } from "./jpegs.js";

for (const file of [...jpegKinds.map((kind) => makeJpeg(kind)), ...extremeJpegs()]) {
  const facts = new Float64Array(factNumbers);
  const made = buildSeekSample(file, { maxPixels: 1e8 }, facts);
  if ("refused" in made) throw new Error(made.refused);
  process.stdout.write(made.block);
  process.stdout.write(new Uint8Array(facts.buffer));
}
