// Run as a program: the views of a few images as raw float32 on stdout, so that a test can compare SIMD levels.
import { readJpeg, renderView } from "../../src/native/index.js";
import { planView } from "../../src/pipeline/load/view.js";
import { randomFor } from "../../src/shards/random.js";
import { jpegKinds, makeJpeg } from "./jpegs.js";

const size = 64;
const chunks: Uint8Array[] = [];
for (const kind of jpegKinds) {
  const image = { ...readJpeg(makeJpeg(kind), 1e8, "none"), codec: "none" } as const;
  const { x, y } = planView(
    image.width,
    image.height,
    { kind: "dct", size, augment: "train" },
    randomFor(4, kind.name),
  );
  const out = new Float32Array((size * size * 3) / 2);
  const [luma, chroma] = [size * size, (size * size) / 4];
  renderView(image, x, y, {
    kind: "dct",
    y: out.subarray(0, luma),
    cb: out.subarray(luma, luma + chroma),
    cr: out.subarray(luma + chroma),
  });
  chunks.push(new Uint8Array(out.buffer));
}
process.stdout.write(Buffer.concat(chunks));
