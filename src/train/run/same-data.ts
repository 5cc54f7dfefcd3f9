// A run and the data that it is to continue with, or to answer for: they must be those that it was begun with.
import { ToolkitError } from "../../errors.js";
import { fingerprint } from "../../pipeline/load/sources.js";
import { publicUrl } from "../../public-url.js";
import { type ClassList, outputCount } from "../../shards/class-list.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import { readCheckpointInfo } from "../saved/checkpoint.js";
import { classesOfNetwork } from "../saved/network-classes.js";
import { differenceOfData, type RunData } from "./run-data.js";
import type { RunFolder } from "./run-folder.js";

/** What earlier processes noted. */
interface NotedData {
  /** What the data were; left out by earlier versions. */
  readonly data?: RunData | undefined;
  readonly val?: RunData | undefined;
  /** Instead of it, where a checkpoint stands in its data, as the loader saved it. */
  readonly position: unknown;
  readonly classes: ClassList;
}

/** The data that there are now. */
export interface CurrentData {
  readonly manifest: LoadedManifest;
  readonly val: LoadedManifest | undefined;
  readonly classes: ClassList;
}

/**
 * Throws OUTPUT_HOLDS_ANOTHER_RUN, naming what has changed, when a run that has a checkpoint was begun on other data.
 */
export async function checkSameData(folder: RunFolder, now: CurrentData): Promise<void> {
  const before = await notedData(folder);
  const changed = await trainingDifference(before, now);
  const anew = "train on them with another `out`, or start anew with `overwrite`";
  if (changed !== undefined) throw anotherRun(`${changed}; ${anew}`, folder.url);
  const val = before.val && now.val && (await differenceOfData(before.val, now.val));
  if (val === undefined) return;
  const cure = "leave `val` out and use dctstream evaluate, or start anew with `overwrite` or another `out`";
  throw anotherRun(`it was validated ${val}; ${cure}`, folder.url);
}

function anotherRun(message: string, source: string): ToolkitError {
  return new ToolkitError("OUTPUT_HOLDS_ANOTHER_RUN", message, { source });
}

async function notedData(folder: RunFolder): Promise<NotedData> {
  const info = await readCheckpointInfo(folder.url);
  const position = folder.data.data === undefined ? await latestPosition(folder) : undefined;
  return { ...folder.data, position, classes: classesOfNetwork(info, info.folder) };
}

/**
 * Where the latest checkpoint stands in its data; undefined when somebody has removed it, as one may when the run has
 * ended.
 */
async function latestPosition(folder: RunFolder): Promise<unknown> {
  const { latest } = folder;
  if (latest === undefined) return undefined;
  const info = await readCheckpointInfo(folder.folderOf(latest)).catch((error: unknown) => {
    if (error instanceof ToolkitError && error.code === "NOT_FOUND") return undefined;
    throw error;
  });
  return info?.training?.position;
}

async function trainingDifference(before: NotedData, { manifest, classes }: CurrentData): Promise<string | undefined> {
  if (before.data !== undefined) {
    const difference = await differenceOfData(before.data, manifest);
    if (difference !== undefined) return `it was begun ${difference}`;
  } else {
    const noted = (before.position as { readonly order?: { readonly data?: unknown } } | undefined)?.order?.data;
    if (typeof noted === "string" && noted !== fingerprint([{ manifest, repeat: 1 }]))
      return `it was begun on other samples, labels or content; ${publicUrl(manifest.url)} has changed`;
  }
  return classDifference(before.classes, classes);
}

/** The first class that is another now: the same labels under other names are other labels. */
function classDifference(before: ClassList, now: ClassList): string | undefined {
  const counts = [before, now].map(outputCount);
  if (counts[0] !== counts[1]) return `it was begun with ${counts[0]} classes, now there are ${counts[1]}`;
  if (!before.isNamed || !now.isNamed) return undefined;
  const titles = (list: ClassList, index: number) => JSON.stringify(list.titleOf(index));
  for (let index = 0; index < now.count; index++) {
    const [was, is] = [before.at(index), now.at(index)];
    if (was?.synset !== undefined && was.synset === is?.synset) continue;
    if (was?.name === is?.name && (was?.synset === undefined || is?.synset === undefined)) continue;
    return `it was begun with class ${index} called ${titles(before, index)}, now it is ${titles(now, index)}`;
  }
  return undefined;
}
