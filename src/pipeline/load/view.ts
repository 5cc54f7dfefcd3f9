// Which part of an image a sample shows, and at what size: the geometry of a view, decided without touching pixels.
import { invalidOption } from "../../errors.js";
import type { ViewAxis } from "../../native/index.js";
import type { Random } from "../../shards/random.js";

export interface ViewOptions {
  /** "dct": y [s/8, s/8, 64], cb and cr [s/16, s/16, 64], dequantised; "rgb": [s, s, 3]. */
  readonly kind: "dct" | "rgb";
  /** Side of the view in luma pixels; a multiple of 16 for "dct". 224 is the paper's. */
  readonly size: number;
  /** "train": random resized crop and flip; "eval": shorter side to size / 0.875, centre crop; "none": the whole image, squeezed to size. */
  readonly augment: "train" | "eval" | "none";
}

export interface ViewGeometry {
  readonly x: ViewAxis;
  readonly y: ViewAxis;
}

/** Area of a random crop relative to the image, and its aspect ratio: torchvision's defaults. */
const cropScale = [0.08, 1] as const;
const cropRatio = [3 / 4, 4 / 3] as const;
const cropAttempts = 10;

export function checkViewOptions({ kind, size }: ViewOptions): void {
  const step = kind === "dct" ? 16 : 1;
  const valid = Number.isInteger(size) && size >= 16 && size <= 4096 && size % step === 0;
  if (!valid)
    throw invalidOption(
      "input-size",
      kind === "dct" ? "a multiple of 16 from 16 to 4096" : "an integer from 16 to 4096",
      size,
    );
}

/** The view of one image; `random` is drawn from for "train" only. */
export function planView(width: number, height: number, options: ViewOptions, random: Random): ViewGeometry {
  switch (options.augment) {
    case "train":
      return randomResizedCrop(width, height, options.size, random);
    case "eval":
      return resizeAndCentreCrop(width, height, options.size);
    case "none":
      return { x: wholeBox(0, width, options.size, false), y: wholeBox(0, height, options.size, false) };
  }
}

function wholeBox(boxStart: number, boxEnd: number, size: number, flip: boolean): ViewAxis {
  return { boxStart, boxEnd, scaledSize: size, outStart: 0, outCount: size, flip };
}

const between = (random: Random, [low, high]: readonly [number, number]) => low + (high - low) * random.next();

/** torchvision's RandomResizedCrop: ten tries for a box that fits, else the largest centred one of allowed ratio; then a fair flip. */
function randomResizedCrop(width: number, height: number, size: number, random: Random): ViewGeometry {
  const flip = random.next() < 0.5;
  const logRatio = [Math.log(cropRatio[0]), Math.log(cropRatio[1])] as const;
  for (let attempt = 0; attempt < cropAttempts; attempt++) {
    const area = width * height * between(random, cropScale);
    const ratio = Math.exp(between(random, logRatio));
    const w = Math.round(Math.sqrt(area * ratio));
    const h = Math.round(Math.sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const left = random.below(width - w + 1);
    const top = random.below(height - h + 1);
    return { x: wholeBox(left, left + w, size, flip), y: wholeBox(top, top + h, size, false) };
  }
  const ratio = Math.min(Math.max(width / height, cropRatio[0]), cropRatio[1]);
  const w = Math.min(width, Math.max(1, Math.round(height * ratio)));
  const h = Math.min(height, Math.max(1, Math.round(width / ratio)));
  const left = Math.floor((width - w) / 2);
  const top = Math.floor((height - h) / 2);
  return { x: wholeBox(left, left + w, size, flip), y: wholeBox(top, top + h, size, false) };
}

/** The usual evaluation view: 256 and 224 in the paper's proportion. */
function resizeAndCentreCrop(width: number, height: number, size: number): ViewGeometry {
  const shorter = Math.round(size / 0.875);
  const scaled = (side: number) =>
    side <= Math.min(width, height) ? shorter : Math.floor((shorter * side) / Math.min(width, height));
  const axis = (side: number): ViewAxis => {
    const scaledSize = scaled(side);
    return {
      boxStart: 0,
      boxEnd: side,
      scaledSize,
      outStart: Math.round((scaledSize - size) / 2),
      outCount: size,
      flip: false,
    };
  };
  return { x: axis(width), y: axis(height) };
}
