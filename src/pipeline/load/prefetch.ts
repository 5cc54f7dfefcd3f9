// The groups of an epoch plan, read ahead of their use: a bounded number of range reads in flight, groups in plan order.

import { mapOrdered } from "../../map-ordered.js";
import type { LoadedManifest } from "../../shards/manifest.js";
import type { BatchRef, PlanGroup } from "../../shards/plan.js";
import { readSchemaBytes } from "../../shards/reader.js";
import { joinUrl, openStore } from "../../storage/store.js";
import type { SharedBuffers } from "../shared-buffers.js";
import type { SharedBatch } from "./view-task.js";

/** A group in memory, all its record batches in one buffer, which is given back when all its samples are done. */
export class ReadGroup {
  private left: number;

  constructor(
    readonly plan: PlanGroup,
    readonly batches: readonly SharedBatch[],
    private readonly buffer: SharedArrayBuffer,
    private readonly buffers: SharedBuffers,
  ) {
    this.left = plan.samples.length;
  }

  /** `samples` more of the group are rendered, or will not be wanted. */
  done(samples: number): void {
    this.left -= samples;
    if (this.left === 0) this.buffers.giveBack(this.buffer);
  }
}

/** The group in use and the one being read. */
const groupsInFlight = 2;
/** Range reads of one group at a time. */
const readsPerGroup = 4;

export interface ReadGroupsOptions {
  readonly manifest: LoadedManifest;
  readonly groups: readonly PlanGroup[];
  /** Groups are numbered from here on; the number rises over all epochs of a loader. */
  readonly firstGroup: number;
  readonly buffers: SharedBuffers;
  readonly signal?: AbortSignal | undefined;
}

/** Reads each group's record batches into shared memory: one group is read while another waits and a third is in use. */
export async function* readGroups(options: ReadGroupsOptions): AsyncGenerator<ReadGroup> {
  const { groups, firstGroup, signal } = options;
  const reader = new GroupReader(options);
  const numbered = groups.map((plan, i) => ({ plan, group: firstGroup + i }));
  const read = (item: (typeof numbered)[number], both: AbortSignal) => reader.read(item.plan, item.group, both);
  yield* mapOrdered(numbered, read, { limit: groupsInFlight, signal });
}

/** Arrow's buffers want to start at multiples of 8, where the record batch does. */
const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8;

class GroupReader {
  private readonly manifest: LoadedManifest;
  private readonly buffers: SharedBuffers;
  /** One size for all, so that any buffer fits any group. */
  private readonly bufferBytes: number;
  private schemaBytes: Promise<Uint8Array> | undefined;

  constructor({ manifest, groups, buffers }: ReadGroupsOptions) {
    this.manifest = manifest;
    this.buffers = buffers;
    const bytesOf = ({ batches }: PlanGroup) =>
      batches.reduce((sum, ref) => sum + aligned(this.place(ref).byteLength), 0);
    this.bufferBytes = groups.reduce((most, group) => Math.max(most, bytesOf(group)), 0);
  }

  async read(plan: PlanGroup, group: number, signal: AbortSignal): Promise<ReadGroup> {
    const buffer = this.buffers.take(this.bufferBytes);
    let end = 0;
    const placed = plan.batches.map((ref) => {
      const start = end;
      end += aligned(this.place(ref).byteLength);
      return { ref, start };
    });
    const read = async ({ ref, start }: (typeof placed)[number], both: AbortSignal): Promise<SharedBatch> => {
      const { url, offset, byteLength } = this.place(ref);
      const bytes = new Uint8Array(buffer, start, byteLength);
      await openStore(url).read(url, { start: offset, end: offset + byteLength }, bytes, both);
      return { ...ref, group, url, schemaBytes: await this.schema(ref), bytes };
    };
    const batches: SharedBatch[] = [];
    for await (const batch of mapOrdered(placed, read, { limit: readsPerGroup, signal })) batches.push(batch);
    return new ReadGroup(plan, batches, buffer, this.buffers);
  }

  private place({ shard, batch }: BatchRef): { url: string; offset: number; byteLength: number } {
    const entry = this.manifest.shards[shard];
    const place = entry?.batches[batch];
    if (entry !== undefined && place !== undefined) return { url: joinUrl(this.manifest.folder, entry.name), ...place };
    throw new RangeError(`plan names batch ${batch} of shard ${shard}, which the manifest lacks`);
  }

  /** The schema message is the same in every shard of a data set: read once. */
  private schema(ref: BatchRef): Promise<Uint8Array> {
    const { url } = this.place(ref);
    this.schemaBytes ??= readSchemaBytes(url, this.place({ ...ref, batch: 0 }).offset);
    return this.schemaBytes;
  }
}
