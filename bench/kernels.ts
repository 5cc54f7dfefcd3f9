// One core, no I/O: reading JPEGs into packed records, unpacking them, and rendering views from them.
//
//   node dist/bench/kernels.js [tars..]
import { type Codec, type JpegRecord, readJpeg, renderView, unpackCoefficients } from "../src/native/index.js";
import { planView } from "../src/pipeline/load/view.js";
import { randomFor } from "../src/shards/random.js";
import { benchImages, medianSeconds, printMachine } from "./images.js";

const images = await benchImages(process.argv.slice(2));
const bytes = images.reduce((sum, image) => sum + image.length, 0);
printMachine();
console.log(`${images.length} images, ${Math.round(bytes / images.length)} bytes on average`);

const size = 224;
const plane = (values: number) => new Float32Array(values);
const dct = { kind: "dct", y: plane(size * size), cb: plane((size * size) / 4), cr: plane((size * size) / 4) } as const;
const rgb = { kind: "rgb", rgb: plane(size * size * 3) } as const;

function row(name: string, seconds: number, reading: number): void {
  const perSecond = images.length / seconds;
  console.log(
    `  ${name.padEnd(22)} ${perSecond.toFixed(0).padStart(7)} images/s  ${((1e6 * seconds) / images.length).toFixed(0).padStart(6)} us  x ${(reading / seconds).toFixed(2)} of reading`,
  );
}

for (const codec of ["zstd", "none"] as const satisfies readonly Codec[]) {
  let records: JpegRecord[] = [];
  const reading = medianSeconds(() => {
    records = images.map((image) => readJpeg(image, 1e9, codec));
  }, 3);
  const packed = records.reduce((sum, record) => sum + record.packed.length, 0);
  console.log(`${codec}: ${(packed / bytes).toFixed(3)} times the JPEGs' bytes`);
  row("read and pack", reading, reading);
  row(
    "unpack whole",
    medianSeconds(() => void records.map((record) => unpackCoefficients(record.packed, record.components, codec))),
    reading,
  );
  const views = records.map((record, i) => ({
    image: { ...record, codec },
    geometry: planView(
      record.width,
      record.height,
      { kind: "dct", size, augment: "train" },
      randomFor(i, "bench-view"),
    ),
  }));
  for (const target of [dct, rgb]) {
    const render = () => {
      for (const { image, geometry } of views) renderView(image, geometry.x, geometry.y, target);
    };
    row(`random crop to ${target.kind}`, medianSeconds(render), reading);
  }
}
