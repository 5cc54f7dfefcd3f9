// The view, by its definition and in double precision: dequantise, inverse DCT, antialiased triangle resample as Pillow
// and torchvision do it, forward DCT. Written for clearness; the truth that the native kernel is held against.
import { type StoredImage, unpackCoefficients, type ViewAxis } from "../../src/native/index.js";

const basis = Array.from({ length: 8 }, (_, k) =>
  Array.from({ length: 8 }, (_, n) => (k === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos((Math.PI * (2 * n + 1) * k) / 16)),
);

type Plane = number[][]; // [row][column]

function transformBlocks(plane: Plane, inverse: boolean): Plane {
  const out = plane.map((row) => row.map(() => 0));
  const weight = (k: number, n: number) => (inverse ? (basis[n]?.[k] as number) : (basis[k]?.[n] as number));
  for (let top = 0; top < plane.length; top += 8) {
    for (let left = 0; left < (plane[0] as number[]).length; left += 8) {
      const half = Array.from({ length: 8 }, (_, i) =>
        Array.from({ length: 8 }, (_, x) => sumOf(8, (y) => weight(i, y) * at(plane, top + y, left + x))),
      );
      for (let i = 0; i < 8; i++)
        for (let j = 0; j < 8; j++)
          (out[top + i] as number[])[left + j] = sumOf(8, (x) => weight(j, x) * at(half, i, x));
    }
  }
  return out;
}

const at = (plane: Plane, y: number, x: number) => (plane[y] as number[])[x] as number;
const sumOf = (count: number, term: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);

/** One output row of weights over `size` samples; `density` samples per luma pixel, `step` luma outputs per output. */
function weightsFor(axis: ViewAxis, j: number, density: number, size: number, step: number): Map<number, number> {
  const lumaScale = (axis.boxEnd - axis.boxStart) / axis.scaledSize;
  const support = Math.max(1, lumaScale * density * step);
  const center = (axis.boxStart + (axis.outStart + (j + 0.5) * step) * lumaScale) * density;
  const [low, high] = [Math.floor(axis.boxStart * density), Math.min(size, Math.ceil(axis.boxEnd * density))];
  const weights = new Map<number, number>();
  for (let x = low; x < high; x++) {
    const weight = 1 - Math.abs((x + 0.5 - center) / support);
    if (weight > 0) weights.set(x, weight);
  }
  const total = [...weights.values()].reduce((a, b) => a + b, 0);
  for (const [x, weight] of weights) weights.set(x, weight / total);
  return weights;
}

function resampleRows(plane: Plane, axis: ViewAxis, density: number, size: number, step: number): Plane {
  const count = Math.ceil(axis.outCount / step);
  const rows = Array.from({ length: count }, (_, j) => {
    const weights = weightsFor(axis, j, density, size, step);
    return (plane[0] as number[]).map((_, x) =>
      [...weights].reduce((sum, [y, weight]) => sum + weight * at(plane, y, x), 0),
    );
  });
  return axis.flip ? rows.reverse() : rows;
}

const transpose = (plane: Plane): Plane => (plane[0] as number[]).map((_, x) => plane.map((row) => row[x] as number));

/** One component as spatial samples, centred on zero: [rows, columns] of its stored grid. */
export function spatialPlane(image: StoredImage, component: number): Plane {
  const coefficients = unpackCoefficients(image.packed, image.components, image.codec, "scalar");
  const offset = image.components
    .slice(0, component)
    .reduce((sum, { storedWide, storedHigh }) => sum + storedWide * storedHigh * 64, 0);
  const { storedWide, storedHigh } = image.components[component] as StoredImage["components"][number];
  const plane = Array.from({ length: storedHigh * 8 }, (_, y) =>
    Array.from({ length: storedWide * 8 }, (_, x) => {
      const k = (y & 7) * 8 + (x & 7);
      const block = (y >> 3) * storedWide + (x >> 3);
      return (coefficients[offset + block * 64 + k] as number) * (image.quantTables[component * 64 + k] as number);
    }),
  );
  return transformBlocks(plane, true);
}

/** A component's view before any transform: [out rows, out columns], centred on zero. */
function viewOf(image: StoredImage, component: number, x: ViewAxis, y: ViewAxis, step: number): Plane {
  const max = (side: "h" | "v") => Math.max(...image.components.map((c) => c[side]));
  const { h, v } = image.components[component] as StoredImage["components"][number];
  const [densityX, densityY] = [h / max("h"), v / max("v")];
  const [width, height] = [Math.ceil(image.width * densityX), Math.ceil(image.height * densityY)];
  const vertical = resampleRows(spatialPlane(image, component), y, densityY, height, step);
  return transpose(resampleRows(transpose(vertical), x, densityX, width, step));
}

/** y, cb and cr as [blocks high, blocks wide, 64]. */
export function referenceDct(image: StoredImage, x: ViewAxis, y: ViewAxis): number[][] {
  return [0, 1, 2].map((component) => {
    const step = component === 0 ? 1 : 2;
    if (component >= image.components.length) return new Array<number>((x.outCount * y.outCount) / 4).fill(0);
    const plane = transformBlocks(viewOf(image, component, x, y, step), false);
    const blocks: number[] = [];
    for (let top = 0; top < plane.length; top += 8) {
      for (let left = 0; left < (plane[0] as number[]).length; left += 8) {
        for (let k = 0; k < 64; k++) blocks.push(at(plane, top + (k >> 3), left + (k & 7)));
      }
    }
    return blocks;
  });
}

/**
 * The planes of a resized form before quantisation, centred on zero: everything scaled by torchvision's rule, of which
 * the centre is kept.
 */
export function resizedPlanes(
  image: StoredImage,
  resize: { readonly shorterSide: number; readonly crop: number },
  chromaStep: number,
): { readonly width: number; readonly height: number; readonly planes: number[][][] } {
  const axis = (side: number): ViewAxis => {
    const scaledSize = Math.trunc((resize.shorterSide * side) / Math.min(image.width, image.height));
    const outCount = resize.crop === 0 ? scaledSize : resize.crop;
    const middle = (scaledSize - outCount) / 2;
    const outStart = middle % 1 === 0.5 ? 2 * Math.round(middle / 2) : Math.round(middle);
    return { boxStart: 0, boxEnd: side, scaledSize, outStart, outCount, flip: false };
  };
  const [x, y] = [axis(image.width), axis(image.height)];
  const planes = image.components.map((_, i) => viewOf(image, i, x, y, i === 0 ? 1 : chromaStep));
  return { width: x.outCount, height: y.outCount, planes };
}

/** [rows, columns, 3], 0..255, neither rounded nor clipped. */
export function referenceRgb(image: StoredImage, x: ViewAxis, y: ViewAxis): number[] {
  const planes = image.components.map((_, component) => viewOf(image, component, x, y, 1));
  const rgb: number[] = [];
  for (let row = 0; row < y.outCount; row++) {
    for (let column = 0; column < x.outCount; column++) {
      const [luma, cb, cr] = [0, 1, 2].map((c) => (planes[c] === undefined ? 0 : at(planes[c], row, column))) as [
        number,
        number,
        number,
      ];
      rgb.push(luma + 128 + 1.402 * cr, luma + 128 - 0.344136286 * cb - 0.714136286 * cr, luma + 128 + 1.772 * cb);
    }
  }
  return rgb;
}

/** Peak signal-to-noise ratio in dB against a peak of 255. */
export function psnr(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < expected.length; i++) squares += ((found[i] as number) - (expected[i] as number)) ** 2;
  return 10 * Math.log10((255 * 255) / Math.max(1e-30, squares / expected.length));
}
