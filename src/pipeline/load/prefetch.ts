// The groups of an epoch plan, read ahead of their use: a bounded number of range reads in flight, groups in plan order.
import type { LoadedManifest } from "../../shards/manifest.js";
import type { BatchRef, PlanGroup } from "../../shards/plan.js";
import { readSchemaBytes } from "../../shards/reader.js";
import { joinUrl, openStore } from "../../storage/store.js";
import { mapOrdered } from "../map-ordered.js";
import type { SharedBatch } from "./view-task.js";

export interface ReadGroup {
  readonly plan: PlanGroup;
  readonly batches: readonly SharedBatch[];
}

/** The group in use and the one being read. */
const groupsInFlight = 2;
/** Range reads of one group at a time. */
const readsPerGroup = 4;

/** Reads each group's record batches into shared memory, numbering the groups from `firstGroup` on. At most three groups are in memory: being read, read, in use. */
export async function* readGroups(
  manifest: LoadedManifest,
  groups: readonly PlanGroup[],
  firstGroup: number,
  signal?: AbortSignal,
): AsyncGenerator<ReadGroup> {
  const schemas = new SchemaCache(manifest);
  const numbered = groups.map((plan, i) => ({ plan, group: firstGroup + i }));
  yield* mapOrdered(numbered, ({ plan, group }, both) => readGroup(manifest, schemas, plan, group, both), {
    limit: groupsInFlight,
    signal,
  });
}

async function readGroup(
  manifest: LoadedManifest,
  schemas: SchemaCache,
  plan: PlanGroup,
  group: number,
  signal: AbortSignal,
): Promise<ReadGroup> {
  const batches: SharedBatch[] = [];
  const read = async ({ shard, batch }: BatchRef, signal: AbortSignal): Promise<SharedBatch> => {
    const entry = manifest.shards[shard];
    const place = entry?.batches[batch];
    if (entry === undefined || place === undefined)
      throw new RangeError(`plan names batch ${batch} of shard ${shard}, which the manifest lacks`);
    const url = joinUrl(manifest.folder, entry.name);
    const bytes = new SharedArrayBuffer(place.byteLength);
    const range = { start: place.offset, end: place.offset + place.byteLength };
    await openStore(url).read(url, range, new Uint8Array(bytes), signal);
    return { group, url, shard, batch, schemaBytes: await schemas.of(shard), bytes };
  };
  for await (const batch of mapOrdered(plan.batches, read, { limit: readsPerGroup, signal })) batches.push(batch);
  return { plan, batches };
}

/** The schema message is the same in every shard of a data set: read once. */
class SchemaCache {
  private bytes: Promise<Uint8Array> | undefined;

  constructor(private readonly manifest: LoadedManifest) {}

  of(shard: number): Promise<Uint8Array> {
    const entry = this.manifest.shards[shard];
    const url = joinUrl(this.manifest.folder, entry?.name ?? "");
    this.bytes ??= readSchemaBytes(url, entry?.batches[0]?.offset ?? 0);
    return this.bytes;
  }
}
