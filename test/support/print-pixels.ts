// Run as a program: pixels at their own size as raw bytes on stdout, of photographs and of coefficients that no encoder
// writes, so that a test can compare SIMD levels.
import {
  packCoefficients,
  readJpeg,
  renderForm,
  type StoredImage,
  unchangedColor,
  type ViewForm,
} from "../../src/native/index.js";
import { randomFor } from "../../src/shards/random.js";
import { jpegKinds, makeJpeg } from "./jpegs.js";

const random = randomFor(9, "print-pixels");

/** Any 16-bit coefficients and steps. */
function forged(width: number, height: number, h: number, v: number): StoredImage {
  const side = (pixels: number, factor: number, largest: number) =>
    Math.ceil(Math.ceil((pixels * factor) / (8 * largest)) / factor) * factor;
  const components = [
    { h, v, storedWide: side(width, h, h), storedHigh: side(height, v, v) },
    ...[1, 2].map(() => ({ h: 1, v: 1, storedWide: side(width, 1, h), storedHigh: side(height, 1, v) })),
  ];
  const blocks = components.reduce((sum, { storedWide, storedHigh }) => sum + storedWide * storedHigh, 0);
  const coefficients = Int16Array.from({ length: 64 * blocks }, () =>
    random.next() < 0.3 ? random.next() * 65536 : 0,
  );
  const quantTables = Uint16Array.from({ length: 192 }, () => random.next() * 65536);
  return {
    width,
    height,
    components,
    quantTables,
    codec: "none",
    packed: packCoefficients(coefficients, components, "none"),
  };
}

// Chroma at a quarter of luma's width is resampled in float.
const decoded = jpegKinds.filter(({ name }) => name !== "4:1:1");
const images: StoredImage[] = [
  ...decoded.map((kind) => ({ ...readJpeg(makeJpeg(kind), 1e8, "none"), codec: "none" }) as const),
  ...[1, 2].flatMap((h) => [1, 2].map((v) => forged(75, 41, h, v))),
];
const chunks: Uint8Array[] = [];
for (const image of images) {
  for (const flip of [false, true]) {
    const axis = (side: number) => ({ boxStart: 0, boxEnd: side, scaledSize: side, outStart: 0, outCount: side, flip });
    for (const type of ["uint8", "float32"] as const) {
      for (const color of ["rgb", "ycbcr"] as const) {
        const { width, height } = image;
        const scaling = { scale: [0.017, 0.0175, 0.0174], bias: [-2.1, -2.03, -1.8] } as const;
        const form: ViewForm = { kind: "pixels", type, width, height, chromaStep: 1, color, scaling };
        const pixels = new (type === "uint8" ? Uint8Array : Float32Array)(3 * width * height);
        renderForm(image, axis(width), axis(height), form, unchangedColor, [pixels]);
        chunks.push(new Uint8Array(pixels.buffer));
      }
    }
  }
}
process.stdout.write(Buffer.concat(chunks));
