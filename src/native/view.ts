// Views of one stored image, and how views are described to the addon.
import { addon } from "./addon.js";
import { codecId } from "./codec.js";
import type { ColorChange, PixelBox, StoredImage, ViewArray, ViewAxis, ViewForm, ViewTarget } from "./shapes.js";

const formTypes = ["float32", "int16", "uint8"] as const;

export function formNumbers({ kind, type, chromaStep, color, scaling, width, height }: ViewForm): Float64Array {
  const { scale, bias } = scaling ?? { scale: [1, 1, 1], bias: [0, 0, 0] };
  const at = addon.formAt;
  const out = new Float64Array(at.numbers);
  out[at.kind] = kind === "dct" ? 0 : 1;
  out[at.type] = formTypes.indexOf(type);
  out[at.chromaStep] = chromaStep;
  out[at.rgb] = color === "rgb" ? 1 : 0;
  out.set(scale, at.scale);
  out.set(bias, at.bias);
  out[at.width] = width;
  out[at.height] = height;
  return out;
}

const { axisAt, colorAt, boxAt } = addon;

export function writeAxis(out: Float64Array, at: number, axis: ViewAxis): void {
  out[at + axisAt.boxStart] = axis.boxStart;
  out[at + axisAt.boxEnd] = axis.boxEnd;
  out[at + axisAt.scaledSize] = axis.scaledSize;
  out[at + axisAt.outStart] = axis.outStart;
  out[at + axisAt.outCount] = axis.outCount;
  out[at + axisAt.flip] = axis.flip ? 1 : 0;
}

export function writeColor(out: Float64Array, at: number, color: ColorChange): void {
  out[at + colorAt.luma] = color.luma;
  out[at + colorAt.chroma] = color.chroma;
  out[at + colorAt.offset] = color.offset;
  out[at + colorAt.offsetOfMean] = color.offsetOfMean;
}

export function writeBox(out: Float64Array, at: number, box: PixelBox): void {
  out[at + boxAt.top] = box.top;
  out[at + boxAt.left] = box.left;
  out[at + boxAt.bottom] = box.bottom;
  out[at + boxAt.right] = box.right;
}

export const unchangedColor: ColorChange = { luma: 1, chroma: 1, offset: 0, offsetOfMean: 0 };

/** Renders a crop, resize and flip of a stored image into `target`. CORRUPT_RECORD, INVALID_ARGUMENT. */
export function renderView(image: StoredImage, x: ViewAxis, y: ViewAxis, target: ViewTarget): void {
  const out = target.kind === "dct" ? [target.y, target.cb, target.cr] : [target.rgb];
  const form: ViewForm = {
    kind: target.kind === "dct" ? "dct" : "pixels",
    type: "float32",
    chromaStep: 2,
    color: "rgb",
    scaling: target.kind === "rgb" ? target.scaling : undefined,
    width: x.outCount,
    height: y.outCount,
  };
  renderForm(image, x, y, form, unchangedColor, out);
}

/** Renders a view in any form, with its colours changed; `out` is as in a batch of one view. */
export function renderForm(
  image: StoredImage,
  x: ViewAxis,
  y: ViewAxis,
  form: ViewForm,
  color: ColorChange,
  out: readonly ViewArray[],
): void {
  const geometry = Int32Array.from([
    image.width,
    image.height,
    ...image.components.flatMap((c) => [c.h, c.v, c.storedWide, c.storedHigh]),
  ]);
  const { numbers } = addon.axisAt;
  const axes = new Float64Array(2 * numbers + addon.colorAt.numbers);
  writeAxis(axes, 0, x);
  writeAxis(axes, numbers, y);
  writeColor(axes, 2 * numbers, color);
  const { packed, quantTables, codec } = image;
  addon.renderView(geometry, quantTables, packed, codecId(codec), formNumbers(form), axes, form.tables, form.kept, out);
}
