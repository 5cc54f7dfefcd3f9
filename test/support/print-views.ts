// Run as a program: the views of a few images as raw float32 on stdout, so that a test can compare SIMD levels.
import { readJpeg, renderView } from "../../src/native/index.js";
import { planView } from "../../src/pipeline/load/view.js";
import { randomFor } from "../../src/shards/random.js";
import { jpegKinds, makeJpeg } from "./jpegs.js";

const size = 64;
const chunks: Uint8Array[] = [];
for (const kind of jpegKinds) {
  const image = { ...readJpeg(makeJpeg(kind), 1e8, "none"), codec: "none" } as const;
  for (const augment of ["train", "eval"] as const) {
    const view = { kind: "dct", size, augment } as const;
    const { x, y } = planView(image.width, image.height, view, randomFor(4, kind.name));
    const dct = new Float32Array((size * size * 3) / 2);
    const [luma, chroma] = [size * size, (size * size) / 4];
    const planes = { y: dct.subarray(0, luma), cb: dct.subarray(luma, luma + chroma), cr: dct.subarray(luma + chroma) };
    renderView(image, x, y, { kind: "dct", ...planes });
    const rgb = new Float32Array(size * size * 3);
    renderView(image, x, y, { kind: "rgb", rgb });
    chunks.push(new Uint8Array(dct.buffer), new Uint8Array(rgb.buffer));
  }
}
process.stdout.write(Buffer.concat(chunks));
