// The same pictures under other labels: two kinds that a small network tells apart, written as whatever a test calls
// them.
import path from "node:path";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { type TarEntries, writeTar } from "./files.js";
import { twoClassImage } from "./two-classes.js";

export interface Labelled {
  readonly label: number | string;
  /** What the .json calls the class. Default: there is no .json. */
  readonly name?: string;
  readonly wnid?: string;
}

/** Picture i, of kind i modulo 2, is called `labels[i % labels.length]`. */
export function labelledEntries(count: number, labels: readonly Labelled[], prefix = "p"): TarEntries {
  return Array.from({ length: count }, (_, i) => {
    const { label, ...told } = labels[i % labels.length] as Labelled;
    const key = `${prefix}${i}`;
    const text = Object.keys(told).length === 0 ? [] : [[`${key}.json`, JSON.stringify(told)] as const];
    return [[`${key}.jpg`, twoClassImage("labelled", i)] as const, [`${key}.cls`, String(label)] as const, ...text];
  }).flat();
}

/** Makes shards of them in a folder of that name. */
export async function makeLabelled(
  folder: string,
  name: string,
  count: number,
  labels: readonly Labelled[],
  options: { readonly classes?: string | number; readonly overwrite?: boolean; readonly codec?: "none" } = {},
): Promise<PreprocessReport> {
  const source = await writeTar(path.join(folder, `${name}.tar`), labelledEntries(count, labels));
  return preprocess({ sources: [source], out: path.join(folder, name), workers: 1, ...options });
}
