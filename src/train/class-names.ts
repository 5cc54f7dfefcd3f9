// The classes of a data set as a network's outputs.
import type { LoadedManifest } from "../shards/manifest.js";

/** Outputs of the network: labels count from 0, and a class without samples still has its place. */
export function classCount(manifest: LoadedManifest): number {
  return Math.max(2, ...manifest.classes.map(({ index }) => index + 1));
}

/** By class index; undefined when none has a name. */
export function classNames(manifest: LoadedManifest): string[] | undefined {
  const named = new Map(manifest.classes.map(({ index, name, synset }) => [index, name ?? synset]));
  if ([...named.values()].every((name) => name === undefined)) return undefined;
  return Array.from({ length: classCount(manifest) }, (_, index) => named.get(index) ?? `class ${index}`);
}
