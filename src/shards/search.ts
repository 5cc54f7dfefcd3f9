/** The last index whose value is not above `value`: of the shard a sample is in, for one. `starts` rise. */
export function placeOf(starts: ArrayLike<number>, value: number): number {
  let [low, high] = [0, starts.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= value) low = middle;
    else high = middle;
  }
  return low;
}
