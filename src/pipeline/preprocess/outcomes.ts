// A source's items on their way to the decoder and back: grouped by the memory that they lie in, and what became of
// each.
import type { WireError } from "../../errors.js";
import type { ClassEntry, Failure } from "../../shards/manifest.js";
import { isSample, type RawSample, type SourceItem, type SourceProblem } from "./sample.js";
import type { Outcome } from "./shard-task.js";
import type { Source } from "./sources.js";

/** The most items in a group. A slab holds fewer images than this; it bounds stretches of items without any. */
const maxGroupItems = 256;

/** Items whose images lie in the same slab; those without an image go with the ones before. */
export async function* bySlab(read: AsyncIterable<readonly SourceItem[]>): AsyncGenerator<SourceItem[]> {
  let group: SourceItem[] = [];
  let slab: ArrayBufferLike | undefined;
  for await (const items of read) {
    for (const item of items) {
      const buffer = isSample(item) ? item.image.buffer : slab;
      if (group.length > 0 && (buffer !== slab || group.length >= maxGroupItems)) {
        yield group;
        group = [];
      }
      slab = buffer;
      group.push(item);
    }
  }
  if (group.length > 0) yield group;
}

/** Images whose label is bad are not decoded: they are failures whatever their coefficients are. */
export const isDecodable = (item: SourceItem): item is RawSample => isSample(item) && !("problem" in item.label);

/**
 * What becomes of an item: stored as image `index` of its slab, unless `error` is why it could not be decoded, or its
 * own kind.
 */
export function outcomeOf(item: SourceItem, index: number, error: WireError | undefined, source: Source): Outcome {
  const at = { position: item.position, imageBytes: isSample(item) ? item.image.length : 0 };
  if ("ignored" in item) return { ...at, ignored: item.ignored };
  if (error !== undefined || !isDecodable(item)) return { ...at, failure: failureOf(item, error, source) };
  const { index: label, name, synset } = item.label as ClassEntry;
  const entry = { index: label, ...(synset === undefined ? {} : { synset }), ...(name === undefined ? {} : { name }) };
  const { key, extension, json, inSource } = item;
  return { ...at, index, key, extension, json, entry, inSource };
}

function failureOf(item: RawSample | SourceProblem, error: WireError | undefined, source: Source): Failure {
  const { key, entry, offset } = item;
  const at = { source: source.url, key, entry, ...(offset === undefined ? {} : { offset }) };
  if (!isSample(item)) return { ...at, code: item.problem, message: item.message };
  if ("problem" in item.label) return { ...at, code: item.label.problem, message: item.label.message };
  const { code, message } = error ?? { code: "INTERNAL", message: "the decoder gave no result" };
  return { ...at, label: item.label.index, code, message };
}
