// The shards of one source: rolls over by size, and writes each shard's sidecar when the shard itself is published.
import type { Schema } from "apache-arrow";
import {
  type ClassEntry,
  type Failure,
  frequencyNumbers,
  type SidecarBody,
  shardName,
  sidecarName,
  writeSidecar,
} from "../../shards/manifest.js";
import type { SampleRecord } from "../../shards/record.js";
import { ShardWriter } from "../../shards/writer.js";
import { joinUrl } from "../../storage/store.js";

export class ShardSequence {
  readonly sidecars: SidecarBody[] = [];
  private writer: ShardWriter | undefined;
  private failures: Failure[] = [];
  private classes = new Map<number, ClassEntry>();
  private frequencies = new Float64Array(frequencyNumbers);
  private inputBytes = 0;

  constructor(
    private readonly folder: string,
    private readonly source: number,
    private readonly schema: Schema,
    private readonly maxShardBytes: number,
  ) {}

  async append(sample: SampleRecord, entry: ClassEntry, frequencies: Float64Array, imageBytes: number): Promise<void> {
    // Rolled over before the sample that no longer fits, so that the last shard of a source is known as such when it ends.
    if (this.writer !== undefined && this.writer.byteLength >= this.maxShardBytes) await this.finishShard(false);
    this.writer ??= await ShardWriter.open(this.folder, shardName(this.source, this.sidecars.length), this.schema);
    await this.writer.append(sample);
    if (!this.classes.has(entry.index)) this.classes.set(entry.index, entry);
    for (let i = 0; i < frequencyNumbers; i++)
      this.frequencies[i] = (this.frequencies[i] as number) + (frequencies[i] as number);
    this.inputBytes += imageBytes;
  }

  fail(failure: Failure, imageBytes: number): void {
    this.failures.push(failure);
    this.inputBytes += imageBytes;
  }

  /** Publishes what is left; the sidecar says that the source is complete. */
  async finish(): Promise<void> {
    await this.finishShard(true);
  }

  /** Drops the shard in hand; the finished ones stay for the next run. */
  async abort(): Promise<void> {
    await this.writer?.abort();
    this.writer = undefined;
  }

  private async finishShard(endOfSource: boolean): Promise<void> {
    const part = this.sidecars.length;
    const shard = await this.writer?.finish();
    this.writer = undefined;
    const sidecar: SidecarBody = {
      source: this.source,
      part,
      endOfSource,
      ...(shard === undefined ? {} : { shard: { ...shard, batches: [...shard.batches] } }),
      inputBytes: this.inputBytes,
      failures: this.failures,
      classes: [...this.classes.values()].sort((a, b) => a.index - b.index),
      frequencies: [...this.frequencies],
    };
    await writeSidecar(joinUrl(this.folder, sidecarName(shardName(this.source, part))), sidecar);
    this.sidecars.push(sidecar);
    this.failures = [];
    this.classes = new Map();
    this.frequencies = new Float64Array(frequencyNumbers);
    this.inputBytes = 0;
  }
}
