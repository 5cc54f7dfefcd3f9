// Quantiles of what was measured several times.

/** `at(0.5)` is the median; of an even count the upper one. There must be at least one value. */
export function quantilesOf(values: Iterable<number>): (share: number) => number {
  const sorted = Float64Array.from(values).sort();
  return (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number;
}

export const medianOf = (values: Iterable<number>) => quantilesOf(values)(0.5);
