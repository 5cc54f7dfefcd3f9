// The folder of a training run:
//   run.json              what the run is and which checkpoints stand; replaced at once, so that what it names is whole
//   config.json           all options as they hold, to be given to --config
//   history.jsonl         a line for every step and epoch up to the last checkpoint
//   checkpoints/STEP/     a checkpoint that the run can resume from
//   checkpoint.json, model.json, weights.bin   at the end: the trained network
import { ToolkitError } from "../../errors.js";
import { writableAt } from "../../storage/at.js";
import { putObject, readText } from "../../storage/objects.js";
import { baseName, joinUrl } from "../../storage/url.js";
import { differenceOf, type RunConfig } from "../options.js";
import type { TrainReport } from "../report.js";
import { type CheckpointInfo, checkpointFiles, type ModelFiles, writeCheckpoint } from "../saved/checkpoint.js";
import {
  type CheckpointEntry,
  checkpointFolder,
  checkpointsName,
  type RunDocument,
  readRun,
  runName,
} from "../saved/run-document.js";
import type { RunData } from "./run-data.js";

const configName = "config.json";
export const historyName = "history.jsonl";

const ownNames: readonly string[] = [runName, configName, historyName, ...checkpointFiles];

/** Whether a run writes files of this name. */
export const isRunFile = (name: string) => ownNames.includes(name);

/** A checkpoint to be written. */
export interface NewCheckpoint {
  readonly entry: CheckpointEntry;
  readonly files: ModelFiles;
  readonly info: CheckpointInfo;
  readonly training: Uint8Array;
  /** All lines so far. */
  readonly history: string;
}

export interface RunFolderOptions {
  readonly overwrite: boolean;
  readonly keepLast: number;
  readonly configFile: Readonly<Record<string, unknown>>;
}

export class RunFolder {
  private constructor(
    readonly url: string,
    private document: RunDocument,
    private readonly keepLast: number,
  ) {}

  /**
   * Opens the run in a folder, or begins one there. OUTPUT_HOLDS_ANOTHER_RUN, naming what differs, when the run there
   * is another; `overwrite` removes it instead, as is one without any checkpoint. `configFile` is what config.json is
   * to hold. BAD_CHECKPOINT when run.json cannot be read.
   */
  static async open(url: string, config: RunConfig, options: RunFolderOptions): Promise<RunFolder> {
    const fresh: RunDocument = { format: "dctstream-run", version: 1, config: { ...config }, checkpoints: [] };
    const document = (options.overwrite ? undefined : await readRun(url)) ?? fresh;
    if (document.checkpoints.length === 0) {
      const run = new RunFolder(url, fresh, options.keepLast);
      await run.clear();
      await putObject(joinUrl(url, configName), `${JSON.stringify(options.configFile, undefined, 1)}\n`);
      await run.publish();
      return run;
    }
    const difference = differenceOf(document.config, config);
    if (difference !== undefined) {
      const message = `${difference}; choose another \`out\`, or start anew with \`overwrite\``;
      throw new ToolkitError("OUTPUT_HOLDS_ANOTHER_RUN", message, { source: url });
    }
    const run = new RunFolder(url, document, options.keepLast);
    await run.sweep();
    return run;
  }

  /** The latest checkpoint; undefined when there is none yet. */
  get latest(): CheckpointEntry | undefined {
    return this.document.checkpoints.at(-1);
  }

  get best(): CheckpointEntry | undefined {
    return this.document.best;
  }

  /** What the run reported at its end; undefined before. */
  get report(): TrainReport | undefined {
    return this.document.report as TrainReport | undefined; // written by `finish`
  }

  /** What the run's data were noted as. */
  get data(): Pick<RunDocument, "data" | "val"> {
    const { data, val } = this.document;
    return { data, val };
  }

  /** Notes the data; published with the next checkpoint, as a run without any is begun anew. */
  noteData(data: RunData, val: RunData | undefined): void {
    this.document = { ...this.document, data, ...(val && { val }) };
  }

  folderOf({ step }: Pick<CheckpointEntry, "step">): string {
    return checkpointFolder(this.url, step);
  }

  async readHistory(): Promise<string> {
    return (await readText(joinUrl(this.url, historyName))) ?? "";
  }

  /**
   * Writes a checkpoint, makes it the one to resume from, and only then removes older ones. Returns the URL of its
   * checkpoint.json.
   */
  async add({ entry, files, info, training, history }: NewCheckpoint): Promise<string> {
    const folder = this.folderOf(entry);
    const url = await writeCheckpoint(files, info, folder, training).catch(async (error: unknown) => {
      // On a full disk it would keep the room that the next one needs; why it is not whole is what is reported.
      await removeCheckpoint(folder).catch(() => {});
      throw error;
    });
    await putObject(joinUrl(this.url, historyName), history);
    const { document } = this;
    const isBest = entry.valTop1 !== undefined && entry.valTop1 > (document.best?.valTop1 ?? -1);
    const best = isBest ? entry : document.best;
    const all = [...document.checkpoints.filter(({ step }) => step !== entry.step), entry];
    const last = all.slice(-this.keepLast);
    const kept = all.filter((each) => last.includes(each) || each.step === best?.step);
    this.document = { ...document, checkpoints: kept, ...(best && { best }) };
    await this.publish();
    for (const old of all) if (!kept.includes(old)) await removeCheckpoint(this.folderOf(old));
    return url;
  }

  /** Writes the trained network and what the run reports. */
  async finish(
    files: ModelFiles,
    info: CheckpointInfo,
    history: string,
    report: Omit<TrainReport, "checkpoint">,
  ): Promise<TrainReport> {
    await putObject(joinUrl(this.url, historyName), history);
    const checkpoint = await writeCheckpoint(files, info, this.url);
    const complete = { ...report, checkpoint };
    this.document = { ...this.document, report: { ...complete } };
    await this.publish();
    return complete;
  }

  private publish(): Promise<unknown> {
    return putObject(joinUrl(this.url, runName), `${JSON.stringify(this.document, undefined, 1)}\n`);
  }

  /** Removes what another run left, its word first. */
  private async clear(): Promise<void> {
    for (const name of [runName, historyName, ...[...checkpointFiles].reverse()])
      await writableAt(joinUrl(this.url, name)).remove();
    await this.sweep();
  }

  /** Removes checkpoints that run.json does not name: half-written ones, and those that a later one replaced. */
  private async sweep(): Promise<void> {
    const folder = writableAt(joinUrl(this.url, checkpointsName));
    const kept = new Set(this.document.checkpoints.map((entry) => baseName(this.folderOf(entry))));
    if ((await folder.stat())?.kind !== "folder") return;
    for (const { url } of await folder.list()) if (!kept.has(baseName(url))) await removeCheckpoint(url);
  }
}

/** The word that it is whole first. */
async function removeCheckpoint(url: string): Promise<void> {
  const folder = writableAt(url);
  for (const name of [...checkpointFiles].reverse()) await writableAt(joinUrl(url, name)).remove();
  await folder.sweep((name) => (checkpointFiles as readonly string[]).includes(name));
  await folder.remove();
}
