// Per-frequency statistics of a data set: whole-number sums that merge to the same in any order and over any shards,
// and what follows from them. Sums of squares over a large data set pass 2^53, so each is kept in two parts and written
// as a decimal string.
import { z } from "zod";

const components = 3;
const frequencies = 64;
const perQuantity = components * frequencies;

/**
 * Block counts [3]; sums, sums of squares, non-zero counts, largest magnitudes, each [3, 64]: what the addon gives for
 * an image.
 */
export const statisticNumbers = components + 4 * perQuantity;

/** The largest magnitudes, the last quantity, are not added up. */
const summedNumbers = components + 3 * perQuantity;

/** Where the low part is carried into the high one: two of them still add exactly. */
const limb = 2 ** 52;

/** Sums of squares over 2^40 images of the largest size have 35 digits; to read many more takes long. */
const wholeNumber = z.string().regex(/^-?\d{1,50}$/);

/** Sums in the order of `statisticNumbers`. */
export const sumsSchema = z.array(wholeNumber).length(statisticNumbers);

export class StatisticSums {
  private readonly low = new Float64Array(statisticNumbers);
  private readonly high = new Float64Array(statisticNumbers);

  /** Adds an image's numbers, each below 2^52. */
  add(numbers: Float64Array): void {
    const { low, high } = this;
    for (let i = 0; i < summedNumbers; i++) {
      let value = (low[i] as number) + (numbers[i] as number);
      if (value >= limb || value <= -limb) {
        const carry = Math.trunc(value / limb);
        high[i] = (high[i] as number) + carry;
        value -= carry * limb;
      }
      low[i] = value;
    }
    for (let i = summedNumbers; i < statisticNumbers; i++) low[i] = Math.max(low[i] as number, numbers[i] as number);
  }

  toStrings(): string[] {
    return Array.from(this.low, (low, i) => String(BigInt(low) + BigInt(this.high[i] as number) * BigInt(limb)));
  }
}

const values = z.array(z.number()).length(frequencies);

/** Statistics of the dequantised coefficients of one component (Y, Cb, Cr), by frequency in natural order. */
export const frequencySchema = z.object({
  blocks: z.number().int().nonnegative(),
  mean: values,
  std: values,
  /** Share of coefficients that are zero. */
  zeroShare: values,
  /** Largest magnitude. */
  largest: values,
});

export type FrequencyStatistics = z.infer<typeof frequencySchema>;

/** Merges the sums of any parts; exact up to the last rounding of each result. */
export function mergeStatistics(parts: readonly (readonly string[])[]): FrequencyStatistics[] {
  const totals = Array.from({ length: statisticNumbers }, (_, i) => {
    const numbers = parts.map((part) => BigInt(part[i] as string));
    if (i < summedNumbers) return numbers.reduce((sum, value) => sum + value, 0n);
    return numbers.reduce((largest, value) => (value > largest ? value : largest), 0n);
  });
  return Array.from({ length: components }, (_, component) => {
    const blocks = totals[component] as bigint;
    const of = (quantity: number) =>
      totals.slice(components + quantity * perQuantity + component * frequencies).slice(0, frequencies);
    const [sum, squares, nonzero, largest] = [of(0), of(1), of(2), of(3)];
    const perBlock = (value: bigint) => (blocks === 0n ? 0 : ratio(value, blocks));
    return {
      blocks: Number(blocks),
      mean: sum.map(perBlock),
      std: squares.map((square, k) =>
        blocks === 0n ? 0 : Math.sqrt(ratio(blocks * square - (sum[k] as bigint) ** 2n, blocks * blocks)),
      ),
      zeroShare: nonzero.map((count) => perBlock(blocks - count)),
      largest: largest.map(Number),
    };
  });
}

/** a / b with 53 good bits, however large both are. */
function ratio(a: bigint, b: bigint): number {
  const whole = a / b;
  const rest = a - whole * b;
  // The rest scaled so that its quotient is a 60-bit number: both parts then convert with one rounding each.
  return Number(whole) + Number((rest << 60n) / b) / 2 ** 60;
}
