// The groups of an epoch plan, read ahead of their use: a bounded number of range reads in flight, groups in plan order.
import { mapOrdered } from "../../map-ordered.js";
import type { PlanGroup } from "../../shards/plan.js";
import type { SharedBuffers } from "../shared-buffers.js";
import type { BatchBytes, BatchSource } from "./batch-source.js";
import type { SharedBatch } from "./view-task.js";

/** A group in memory; the buffers of its record batches are given back when all its samples are done. */
export class ReadGroup {
  private left: number;

  constructor(
    readonly plan: PlanGroup,
    readonly batches: readonly SharedBatch[],
    private readonly held: readonly BatchBytes[],
    private readonly buffers: SharedBuffers,
  ) {
    this.left = plan.samples.length;
  }

  /** `samples` more of the group are rendered, or will not be wanted. */
  done(samples: number): void {
    this.left -= samples;
    if (this.left === 0) for (const { buffer } of this.held) this.buffers.giveBack(buffer);
  }
}

/** The group in use and the one being read. */
const groupsInFlight = 2;
/** Range reads of one group at a time. */
const readsPerGroup = 8;

export interface ReadGroupsOptions {
  readonly groups: readonly PlanGroup[];
  /** Groups are numbered from here on; the number rises over all epochs of a loader. */
  readonly firstGroup: number;
  readonly source: BatchSource;
  readonly buffers: SharedBuffers;
  readonly signal?: AbortSignal | undefined;
}

/** Reads each group's record batches into shared memory: one group is read while another waits and a third is in use. */
export async function* readGroups(options: ReadGroupsOptions): AsyncGenerator<ReadGroup> {
  const { groups, firstGroup, signal } = options;
  const numbered = groups.map((plan, i) => ({ plan, group: firstGroup + i }));
  const read = (item: (typeof numbered)[number], both: AbortSignal) => readGroup(item.plan, item.group, options, both);
  yield* mapOrdered(numbered, read, { limit: groupsInFlight, signal });
}

async function readGroup(
  plan: PlanGroup,
  group: number,
  { source, buffers }: ReadGroupsOptions,
  signal: AbortSignal,
): Promise<ReadGroup> {
  const held: BatchBytes[] = [];
  const read = async (ref: PlanGroup["batches"][number], both: AbortSignal): Promise<SharedBatch> => {
    const batch = await source.read(ref, both);
    held.push(batch);
    const { url, codec, bytes } = batch;
    return { ...ref, group, url, codec, bytes };
  };
  const batches: SharedBatch[] = [];
  try {
    for await (const batch of mapOrdered(plan.batches, read, { limit: readsPerGroup, signal })) batches.push(batch);
  } catch (error) {
    for (const { buffer } of held) buffers.giveBack(buffer);
    throw error;
  }
  return new ReadGroup(plan, batches, held, buffers);
}
