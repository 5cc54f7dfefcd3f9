// Which part of an image a sample shows, and at what size: the geometry of a view, decided without touching pixels.
import { invalidOption } from "../../errors.js";
import type { ViewAxis } from "../../native/index.js";
import { complete } from "../../options/table.js";
import type { Random } from "../../shards/random.js";
import { type AugmentPolicy, policyOptions } from "./augment.js";
import { type Frequencies, keptFrequencies } from "./frequencies.js";

/** What a view shows of an image, and in which form. */
export interface ViewOptions {
  /** "dct": y [s/8, s/8, 64], cb and cr [s/16, s/16, 64], dequantised; "rgb" and "ycbcr": pixels [s, s, 3]. */
  readonly kind: "dct" | "rgb" | "ycbcr";
  /** Side of the view in luma pixels; whole MCUs for "dct". 224 is the paper's. */
  readonly size: number;
  /**
   * "train": random resized crop and flip; "eval": shorter side to size / 0.875, centre crop; "none": the whole image,
   * squeezed to size.
   */
  readonly augment: "train" | "eval" | "none";
  /** "dct": chroma at half of luma's resolution, or at the same. Default "half". */
  readonly chroma?: "half" | "full" | undefined;
  /**
   * "float32", or values to be widened on the device: "int16" coefficients, in sixteenths, or "uint8" pixels. Default
   * "float32".
   */
  readonly type?: "float32" | "int16" | "uint8" | undefined;
  /**
   * "dct": which frequencies are kept, of all three components together a number of 24, 48 or 64, or lists. Default:
   * all 192.
   */
  readonly frequencies?: Frequencies | undefined;
  /**
   * (value - mean) / std. "imagenet": of RGB pixels, by ImageNet's channel statistics, the default for float32 "rgb".
   * "dataset": of coefficients, by the manifest's per-frequency statistics. Numbers: per channel or component. "none",
   * the default otherwise: as they are.
   */
  readonly normalize?: "none" | "imagenet" | "dataset" | Normalization | undefined;
  /**
   * Area of a random crop relative to the image, and its aspect ratio. Default: torchvision's [0.08, 1] and [3/4, 4/3].
   */
  readonly scale?: readonly [number, number] | undefined;
  readonly ratio?: readonly [number, number] | undefined;
  /** Probability of a horizontal flip, with "train". Default 0.5. */
  readonly flip?: number | undefined;
  /** What else is done to training views, with "train". Default: nothing. */
  readonly policy?: AugmentPolicy | undefined;
}

/** Mean and deviation per channel or component; a value becomes (value - mean) / std. */
export interface Normalization {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

export interface ViewGeometry {
  readonly x: ViewAxis;
  readonly y: ViewAxis;
}

const cropAttempts = 10;

/** Luma pixels of the smallest square that the arrays of a view can be cut at. */
export function viewUnit({ kind, chroma = "half" }: ViewOptions): number {
  if (kind !== "dct") return 1;
  return chroma === "half" ? 16 : 8;
}

/** What is done to a view beside its geometry: nothing but in training. */
export function trainingPolicy({ augment, policy }: ViewOptions): AugmentPolicy | undefined {
  return augment === "train" ? policy : undefined;
}

/** Throws INVALID_OPTION for what fits no view. */
export function checkViewOptions(options: ViewOptions): void {
  const { kind, size, type = "float32", normalize = "none", scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options;
  const unit = viewUnit(options);
  if (!(Number.isInteger(size) && size >= 16 && size <= 4096 && size % unit === 0))
    throw invalidOption(
      "size",
      unit === 1 ? "an integer from 16 to 4096" : `a multiple of ${unit} from 16 to 4096`,
      size,
    );
  const narrow = kind === "dct" ? "int16" : "uint8";
  if (type !== "float32" && type !== narrow) throw invalidOption("type", `"float32" or "${narrow}" for ${kind}`, type);
  if (type !== "float32" && normalize !== "none")
    throw invalidOption("normalize", `"none" for ${type}: normalise where the values are widened`, normalize);
  if (normalize === "dataset" && kind !== "dct") throw invalidOption("normalize", "another for pixels", normalize);
  if (normalize === "imagenet" && kind !== "rgb") throw invalidOption("normalize", `another for ${kind}`, normalize);
  if (!(scale[0] > 0 && scale[0] <= scale[1] && scale[1] <= 1))
    throw invalidOption("scale", "two rising shares in (0, 1]", scale);
  if (!(ratio[0] > 0 && ratio[0] <= ratio[1])) throw invalidOption("ratio", "two rising ratios above 0", ratio);
  if (options.frequencies !== undefined && kind !== "dct")
    throw invalidOption("frequencies", "left out for pixels", options.frequencies);
  keptFrequencies(options.frequencies);
  complete({ policy: { options: policyOptions } }, { policy: options.policy });
}

/** The view of one image; `random` is drawn from for "train" only. */
export function planView(width: number, height: number, options: ViewOptions, random: Random): ViewGeometry {
  switch (options.augment) {
    case "train":
      return randomResizedCrop(width, height, options, random);
    case "eval":
      return resizeAndCentreCrop(width, height, options.size);
    case "none":
      return { x: wholeBox(0, width, options.size, false), y: wholeBox(0, height, options.size, false) };
  }
}

function wholeBox(boxStart: number, boxEnd: number, size: number, flip: boolean): ViewAxis {
  return { boxStart, boxEnd, scaledSize: size, outStart: 0, outCount: size, flip };
}

/**
 * torchvision's RandomResizedCrop: ten tries for a box that fits, else the largest centred one of allowed ratio; a flip
 * is drawn first.
 */
function randomResizedCrop(width: number, height: number, options: ViewOptions, random: Random): ViewGeometry {
  const { size, scale = [0.08, 1], ratio: ratios = [3 / 4, 4 / 3], flip: flipShare = 0.5 } = options;
  const flip = random.next() < flipShare;
  const logRatio = [Math.log(ratios[0]), Math.log(ratios[1])] as const;
  for (let attempt = 0; attempt < cropAttempts; attempt++) {
    const area = width * height * (scale[0] + (scale[1] - scale[0]) * random.next());
    const ratio = Math.exp(logRatio[0] + (logRatio[1] - logRatio[0]) * random.next());
    const w = roundToEven(Math.sqrt(area * ratio));
    const h = roundToEven(Math.sqrt(area / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const left = random.below(width - w + 1);
    const top = random.below(height - h + 1);
    return { x: wholeBox(left, left + w, size, flip), y: wholeBox(top, top + h, size, false) };
  }
  const ratio = Math.min(Math.max(width / height, ratios[0]), ratios[1]);
  const w = Math.min(width, Math.max(1, roundToEven(height * ratio)));
  const h = Math.min(height, Math.max(1, roundToEven(width / ratio)));
  const left = Math.floor((width - w) / 2);
  const top = Math.floor((height - h) / 2);
  return { x: wholeBox(left, left + w, size, flip), y: wholeBox(top, top + h, size, false) };
}

/** Python's round, which torchvision uses: halves go to the even neighbour. */
function roundToEven(value: number): number {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}

/**
 * The usual evaluation view, 256 and 224 in the paper's proportion: torchvision's Resize and CenterCrop. The crop is
 * never the larger one, so that nothing is padded.
 */
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
      outStart: roundToEven((scaledSize - size) / 2),
      outCount: size,
      flip: false,
    };
  };
  return { x: axis(width), y: axis(height) };
}
