// The shards of one source: rolls over by size, and writes each shard's sidecar when the shard itself is published.
import { recordFlags } from "../../shards/flags.js";
import {
  type ClassEntry,
  type Failure,
  type SidecarBody,
  shardName,
  sidecarName,
  writeSidecar,
} from "../../shards/manifest.js";
import type { FileInSource } from "../../shards/seek-file.js";
import { StatisticSums } from "../../shards/statistics.js";
import { ShardWriter } from "../../shards/writer.js";
import { joinUrl } from "../../storage/url.js";
import type { InSource } from "./sample.js";
import type { DecidedGroup, Outcome, ShardSettings } from "./shard-task.js";
import { ResultSlab } from "./slab.js";

/** What a sidecar contains beside its shard, while it is being gathered. */
class Gathered {
  failures: Failure[] = [];
  ignored: Record<string, number> = {};
  /**
   * Classes by everything that samples contain about them: parts that disagree are found when they are put together.
   */
  classes = new Map<string, ClassEntry>();
  statistics = new StatisticSums();
  inputBytes = 0;
  converted = 0;
}

export class ShardSequence {
  readonly sidecars: SidecarBody[];
  private writer: ShardWriter | undefined;
  private gathered = new Gathered();
  private part: number;
  private lastPosition: number | undefined;
  /** The shard before the one in hand, on its way to the disk: flushing it takes long, and the next need not wait. */
  private publishing: Promise<void> = Promise.resolve();

  /** `done` are the sidecars an earlier run left: writing continues after them. */
  constructor(
    private readonly settings: ShardSettings,
    private readonly source: number,
    done: readonly SidecarBody[],
    private readonly signal: AbortSignal,
  ) {
    this.sidecars = [...done];
    this.part = done.length;
  }

  async append({ outcomes, slab, overflow }: DecidedGroup): Promise<void> {
    const images = new ResultSlab(slab, overflow);
    for (const outcome of outcomes) await this.add(outcome, images);
  }

  private async add(outcome: Outcome, images: ResultSlab): Promise<void> {
    if ("ignored" in outcome) {
      const { ignored } = this.gathered;
      ignored[outcome.ignored] = (ignored[outcome.ignored] ?? 0) + 1;
      return;
    }
    // Rolled over before the sample that no longer fits, so that the last shard of a source is known as such when it
    // ends; not within what has one position, which would be read again as a whole.
    const isFull = this.writer !== undefined && this.writer.byteLength >= this.settings.maxShardBytes;
    if (isFull && outcome.position !== this.lastPosition) await this.finishShard(outcome.position, false);
    this.lastPosition = outcome.position;
    const { gathered } = this;
    gathered.inputBytes += outcome.imageBytes;
    if ("failure" in outcome) {
      gathered.failures.push(outcome.failure);
      return;
    }
    const { index, key, extension, json, entry, inSource } = outcome;
    const { facts, seek, ...pieces } = images.get(index);
    const { source, part, signal } = this;
    const { folder, codec } = this.settings;
    this.writer ??= await ShardWriter.open({ folder, name: shardName(source, part), source }, codec, signal);
    const record = { ...facts, ...pieces, key, extension, label: entry.index, json };
    await this.writer.append(record, seek && inSource && stayed(seek, inSource, extension));
    const identity = `${entry.index} ${entry.synset ?? ""} ${entry.name ?? ""}`;
    if (!gathered.classes.has(identity)) gathered.classes.set(identity, entry);
    gathered.statistics.add(facts.frequencies);
    if (pieces.flags & recordFlags.converted) gathered.converted++;
  }

  /** Publishes what is left; the sidecar marks the source as complete. */
  async finish(): Promise<void> {
    await this.finishShard(0, true);
    await this.publishing;
  }

  /** Drops the shard in hand; the finished ones stay for the next run. */
  async abort(): Promise<void> {
    await this.publishing.catch(() => {}); // an error that led here is on its way already
    await this.writer?.abort();
    this.writer = undefined;
  }

  private async finishShard(next: number, endOfSource: boolean): Promise<void> {
    await this.publishing;
    const { writer, gathered, part } = this;
    this.writer = undefined;
    this.gathered = new Gathered();
    this.part++;
    this.publishing = this.publish(writer, gathered, { part, next, endOfSource });
    this.publishing.catch(() => {}); // surfaces when it is waited for
  }

  private async publish(
    writer: ShardWriter | undefined,
    { inputBytes, failures, ignored, converted, classes, statistics }: Gathered,
    place: Pick<SidecarBody, "part" | "next" | "endOfSource">,
  ): Promise<void> {
    const written = await finishWriter(writer);
    const sidecar: SidecarBody = {
      source: this.source,
      ...place,
      ...(written === undefined ? {} : sidecarParts(written)),
      inputBytes,
      failures,
      ...(Object.keys(ignored).length === 0 ? {} : { ignored }),
      converted,
      classes: [...classes.values()].sort((a, b) => a.index - b.index),
      statistics: statistics.toStrings(),
    };
    await writeSidecar(
      joinUrl(this.settings.folder, sidecarName(shardName(this.source, place.part))),
      sidecar,
      this.signal,
    );
    this.sidecars.push(sidecar);
  }
}

const stayed = (block: Uint8Array, { offset, isObject }: InSource, extension: string): FileInSource => {
  return { block, offset, extension: isObject ? extension : undefined };
};

type Written = Awaited<ReturnType<ShardWriter["finish"]>>;

const sidecarParts = ({ shard, index }: Written): Pick<SidecarBody, "shard" | "index"> => ({
  shard,
  index: Buffer.from(index).toString("base64"),
});

async function finishWriter(writer: ShardWriter | undefined): Promise<Written | undefined> {
  try {
    return await writer?.finish();
  } catch (error) {
    await writer?.abort();
    throw error;
  }
}
