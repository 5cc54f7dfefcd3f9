// How many bytes are held ahead of their use where no option says so: enough that the samples of a far-away group are
// read span by span, however they are stored.
import type { Manifest } from "../../shards/manifest.js";
import { plannedBytes } from "../../shards/plan/spans.js";
import { defaultShuffleBytes } from "../../shards/plan.js";

const usualBytes = 2 ** 30;
/** A manifest's own numbers must not claim any amount of memory, nor a group that was made larger on purpose. */
const mostBytes = 3 * 2 ** 30;
/** Groups are cut by the bytes of image files; what is stored of them differs from group to group. */
const slack = 1.1;

interface StoredSource {
  readonly manifest: Pick<Manifest, "inputBytes" | "shards">;
  readonly repeat?: number | undefined;
}

/** 1 GiB, or a rank's share of a group where that takes more, up to 3 GiB. */
export function defaultPrefetchBytes(
  sources: readonly StoredSource[],
  { shuffleBytes = defaultShuffleBytes, worldSize = 1 } = {},
): number {
  const share = slack * Math.min(1, shuffleBytes / plannedBytes(sources));
  const needed = Math.ceil((share * storedBytes(sources)) / worldSize);
  // A group that does not fit all the same is read sample by sample, whatever is left of the memory.
  return needed > mostBytes ? usualBytes : Math.max(usualBytes, needed);
}

function storedBytes(sources: readonly StoredSource[]): number {
  // Of files that stayed in their sources all bytes may be read.
  const bytesOf = ({ inputBytes, shards }: StoredSource["manifest"]) => {
    const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
    const sampleBytes = inputBytes / Math.max(1, samples);
    return shards.reduce((sum, { byteLength, seek }) => sum + byteLength + sampleBytes * (seek?.samples ?? 0), 0);
  };
  return sources.reduce((sum, { manifest, repeat = 1 }) => sum + repeat * bytesOf(manifest), 0);
}
