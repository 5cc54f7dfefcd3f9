// Photometric augmentation: what is done to the values of a training view. Everything here is linear, so it is exact on
// coefficients: equal to the pixel operation before clipping to [0, 255]. Drawn per sample; the kernels apply it while
// they scale.
import { type ColorChange, type MixedPair, type PixelBox, unchangedColor } from "../../native/index.js";
import { integers, numbers, probabilities } from "../../options/kinds.js";
import { type Given, optionTable } from "../../options/table.js";
import type { Random } from "../../shards/random.js";

const strengths = numbers("a number from 0 to 10", (value) => value >= 0 && value <= 10);
const betas = numbers("a number from 0 to 100", (value) => value >= 0 && value <= 100);

export const policyOptions = optionTable({
  /** Factors are drawn from [1 - x, 1 + x], not below 0, as torchvision's ColorJitter does. Default 0: nothing. */
  brightness: {
    kind: strengths,
    flag: "jitter",
    describe: "Strength of random changes of brightness, contrast and saturation",
    group: "Augmentation",
  },
  /** Strength of random changes of contrast, drawn as for brightness. */
  contrast: { kind: strengths, flag: "jitter", describe: "Strength of random changes of contrast" },
  /** Strength of random changes of saturation, drawn as for brightness. */
  saturation: { kind: strengths, flag: "jitter", describe: "Strength of random changes of saturation" },
  /** Probability of a view without colour. Default 0. */
  grey: { kind: probabilities, flag: false, describe: "Probability that a view loses its colour" },
  /** Probability that a box of 2 to 33 % of the view is made mid-grey (random erasing). Default 0. */
  erase: { kind: probabilities, describe: "Probability that a box of a view is erased", group: "Augmentation" },
  /**
   * `operations` of {none, brightness, contrast, saturation, grey} in a row, as strong as `magnitude` says (after
   * RandAugment).
   */
  randAugment: {
    options: {
      operations: { kind: integers(0, 100), required: true, flag: false, describe: "How many in a row" },
      magnitude: { kind: probabilities, required: true, flag: false, describe: "How strong each is, in [0, 1]" },
    },
  },
  /** Parameter of the Beta distribution that neighbours in a batch are mixed by. Default 0: not. */
  mixup: {
    kind: betas,
    describe: "Mix pairs of samples: parameter of the Beta distribution",
    group: "Augmentation",
  },
  /**
   * Parameter of the Beta distribution of the area that neighbours exchange; with mixup too, one of the two is drawn
   * for each pair.
   */
  cutmix: {
    kind: betas,
    describe: "Exchange a box between pairs of samples: parameter of the Beta distribution",
    group: "Augmentation",
  },
});

export interface AugmentPolicy extends Given<typeof policyOptions> {}

/** Whether neighbours of a batch are mixed. */
export function mixesPairs({ mixup = 0, cutmix = 0 }: AugmentPolicy): boolean {
  return mixup > 0 || cutmix > 0;
}

/** f * RGB: dark to bright. */
export function brightness(color: ColorChange, factor: number): ColorChange {
  const { luma, chroma, offset, offsetOfMean } = color;
  return {
    luma: factor * luma,
    chroma: factor * chroma,
    offset: factor * offset + 128 * (factor - 1), // luma is kept less 128
    offsetOfMean: factor * offsetOfMean,
  };
}

/** f * RGB + (1 - f) * mean grey. The mean is of the view as it is by then. */
export function contrast(color: ColorChange, factor: number): ColorChange {
  const { luma, chroma, offset, offsetOfMean } = color;
  return {
    luma: factor * luma,
    chroma: factor * chroma,
    offset,
    offsetOfMean: factor * offsetOfMean + (1 - factor) * (luma + offsetOfMean),
  };
}

/** f * RGB + (1 - f) * grey. */
export function saturation(color: ColorChange, factor: number): ColorChange {
  return { ...color, chroma: factor * color.chroma };
}

const operations = {
  brightness,
  contrast,
  saturation,
  grey: (color: ColorChange) => saturation(color, 0),
} as const;

const names = ["none", "brightness", "contrast", "saturation", "grey"] as const;
const jittered = ["brightness", "contrast", "saturation"] as const;

/** The colours of a training view. */
export function drawColor(policy: AugmentPolicy, random: Random): ColorChange {
  let color = unchangedColor;
  for (let i = 0; i < (policy.randAugment?.operations ?? 0); i++) {
    const name = names[random.below(names.length)] as (typeof names)[number];
    const side = random.next() < 0.5 ? -1 : 1;
    // RandAugment's strongest enhancement is 0.9 to either side.
    if (name !== "none") color = operations[name](color, 1 + side * 0.9 * (policy.randAugment?.magnitude ?? 0));
  }
  // In an order of its own for every sample: contrast and brightness do not commute.
  for (let left = [...jittered]; left.length > 0; ) {
    const [name] = left.splice(random.below(left.length), 1) as [(typeof jittered)[number]];
    const strength = policy[name] ?? 0;
    if (strength > 0) color = operations[name](color, Math.max(0, 1 + strength * (2 * random.next() - 1)));
  }
  return random.next() < (policy.grey ?? 0) ? operations.grey(color) : color;
}

const eraseArea = [0.02, 0.33] as const;
const eraseRatio = [0.3, 3.3] as const;

/** The box that is erased in a view of `size`, its sides multiples of `unit`; undefined: none. */
export function drawErasedBox(policy: AugmentPolicy, size: number, unit: number, random: Random): PixelBox | undefined {
  if (!(random.next() < (policy.erase ?? 0))) return undefined;
  const area = size * size * (eraseArea[0] + (eraseArea[1] - eraseArea[0]) * random.next());
  const ratio = Math.exp(Math.log(eraseRatio[0]) + Math.log(eraseRatio[1] / eraseRatio[0]) * random.next());
  const side = (length: number) => Math.min(size, Math.max(unit, Math.round(length / unit) * unit));
  const [height, width] = [side(Math.sqrt(area / ratio)), side(Math.sqrt(area * ratio))];
  const top = unit * random.below((size - height) / unit + 1);
  const left = unit * random.below((size - width) / unit + 1);
  return { top, left, bottom: top + height, right: left + width };
}

/** How a pair of neighbours is mixed, and what share of each is left; undefined: not. */
export function drawMix(
  policy: AugmentPolicy,
  size: number,
  unit: number,
  random: Random,
): { readonly mix: MixedPair["mix"]; readonly share: number } | undefined {
  const { mixup = 0, cutmix = 0 } = policy;
  const cuts = cutmix > 0 && (mixup === 0 || random.next() < 0.5);
  if (!cuts && mixup === 0) return undefined;
  const share = beta(cuts ? cutmix : mixup, random);
  if (!cuts) return { mix: { share }, share };
  const length = Math.min(size, Math.round((size * Math.sqrt(1 - share)) / unit) * unit);
  const edge = () => {
    const centre = random.below(size / unit) * unit;
    const start = Math.floor((centre - length / 2) / unit) * unit;
    return [Math.max(0, start), Math.min(size, start + length)] as const;
  };
  const [[top, bottom], [left, right]] = [edge(), edge()];
  return {
    mix: { box: { top, left, bottom, right } },
    share: 1 - ((bottom - top) * (right - left)) / (size * size),
  };
}

/** Beta(alpha, alpha), from two gamma variates. */
function beta(alpha: number, random: Random): number {
  const [a, b] = [gamma(alpha, random), gamma(alpha, random)];
  return a + b > 0 ? a / (a + b) : 0.5;
}

/** Marsaglia and Tsang (2000); below 1 by the power of a uniform variate. */
function gamma(shape: number, random: Random): number {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
