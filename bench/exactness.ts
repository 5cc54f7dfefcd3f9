// How exact views are: random boxes over all images of the tars, DCT and pixels, against the definition in double
// precision and against a real decoder with Pillow's resize. Needs python3 with numpy and Pillow (PYTHONPATH is passed
// on).
//
//   node dist/bench/exactness.js TARS..
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { readJpeg, renderForm, unchangedColor, unpackCoefficients, type ViewForm } from "../src/native/index.js";
import { planView } from "../src/pipeline/load/view.js";
import { randomFor } from "../src/shards/random.js";
import { benchImages, printMachine } from "./images.js";

const size = 224;
const images = await benchImages(process.argv.slice(2));
printMachine();
const folder = mkdtempSync(path.join(tmpdir(), "dctstream-exact-"));
const base: ViewForm = { kind: "dct", type: "float32", width: size, height: size, chromaStep: 2, color: "ycbcr" };
const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
const bytesOf = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

const cases: string[] = [];
for (const [i, jpeg] of images.entries()) {
  const record = readJpeg(jpeg, 1e9, "none");
  if (record.colorSpace !== "ycbcr" && record.colorSpace !== "grey") continue;
  const image = { ...record, codec: "none" } as const;
  const { x, y } = planView(image.width, image.height, { kind: "dct", size, augment: "train" }, randomFor(i, "exact"));
  const planes = [size * size, (size * size) / 4, (size * size) / 4].map((length) => new Float32Array(length));
  const pixels = new Float32Array(size * size * 3);
  renderForm(image, x, y, base, unchangedColor, planes);
  renderForm(image, x, y, { ...base, kind: "pixels" }, unchangedColor, [pixels]);
  const coefficients = unpackCoefficients(image.packed, image.components, "none", "scalar");
  const head = padded(
    Buffer.concat([
      Buffer.from(jpeg),
      Buffer.alloc(jpeg.length % 2),
      bytesOf(image.quantTables),
      bytesOf(coefficients),
    ]),
  );
  const file = path.join(folder, `${i}.bin`);
  writeFileSync(file, Buffer.concat([head, ...planes.map(bytesOf), bytesOf(pixels)]));
  const axis = (a: typeof x) => [a.boxStart, a.boxEnd, a.scaledSize, a.outStart, a.outCount, a.flip ? 1 : 0];
  const components = image.components.map(({ h, v, storedWide: wide, storedHigh: high }) => ({ h, v, wide, high }));
  const facts = { file, jpegBytes: jpeg.length + (jpeg.length % 2), size, components, x: axis(x), y: axis(y) };
  cases.push(JSON.stringify({ ...facts, width: image.width, height: image.height }));
}
console.log(`${cases.length} images, a random crop and flip to ${size} pixels of each, as DCT planes and as pixels`);
const script = fileURLToPath(new URL("../../bench/exactness.py", import.meta.url));
const done = spawnSync("python3", [script], { input: cases.join("\n"), stdio: ["pipe", "inherit", "inherit"] });
rmSync(folder, { recursive: true });
process.exitCode = done.status ?? 1;
