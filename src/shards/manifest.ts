// manifest.json and the sidecars beside the shards: their shape, reading and writing. The manifest appears last, so its
// presence means that everything it names is there.
import { z } from "zod";
import { ToolkitError } from "../errors.js";
import { codecs } from "../native/codec-names.js";
import { putObject, readText } from "../storage/objects.js";
import { storageOptions } from "../storage/store.js";
import { parentUrl } from "../storage/url.js";
import { version } from "../version.js";
import { layoutProblem, nameProblem, outsideProblem, sourceProblem } from "./check-manifest.js";
import { checkDocument, parseJson } from "./document.js";
import { frequencySchema, sumsSchema } from "./statistics.js";
import type { ShardEntry } from "./writer.js";

/** Of data sets whose shards hold everything, and of those with files that stayed in their sources. */
const manifestVersions = [4, 5] as const;
/** Sidecars have a version of their own, which has not changed since. */
const sidecarVersion = 4;
export const manifestName = "manifest.json";

const count = z.number().int().nonnegative();

const batchSchema = z.object({
  offset: count,
  byteLength: count,
  samples: count,
  /** Where the coefficients begin, from the batch's own first byte: all samples' one after another. */
  coefficients: count,
  crc32c: z.number().int().min(0).max(0xffffffff),
});

const fileSchema = z.object({
  /** The name of a file in the manifest's folder. */
  name: z.string().min(1),
  byteLength: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Where to enter the files that stayed in their source; seek-file.ts describes the file and these fields. */
const seekSchema = fileSchema.extend({
  samples: count,
  source: count,
  blocks: z.array(z.object({ offset: count, byteLength: count, samples: count })).readonly(),
  extensions: z
    .array(z.object({ extension: z.string(), samples: count }))
    .readonly()
    .optional(),
});

const shardEntrySchema = fileSchema.extend({
  samples: count,
  batches: z.array(batchSchema).readonly(),
  seek: seekSchema.optional(),
});

const classSchema = z.object({ index: count, synset: z.string().optional(), name: z.string().optional() });

const sourceSchema = z.object({
  url: z.string(),
  byteLength: count,
  version: z.string(),
  /** What it is; stated where files stayed in it. */
  kind: z.enum(["tar", "class-folders"]).optional(),
});

/** One failed sample, as it stands in errors.jsonl too. */
const failureSchema = z.object({
  source: z.string(),
  key: z.string().optional(),
  /** The name of the file or tar entry in its source. */
  entry: z.string().optional(),
  /** Where the entry's header begins, in bytes of the (decompressed) tar. */
  offset: count.optional(),
  /** Its label, where that much was known. */
  label: count.optional(),
  code: z.string(),
  message: z.string(),
});

const manifestSchema = z.object({
  format: z.literal("dctstream-manifest"),
  version: z.literal(manifestVersions),
  tool: z.string(),
  codec: z.enum(codecs),
  options: z.record(z.string(), z.unknown()),
  sources: z.array(sourceSchema),
  samples: count,
  failed: count,
  errors: z.record(z.string(), count),
  /** Files of the sources that were passed over, by reason; absent when there were none. */
  ignored: z.record(z.string(), count).optional(),
  /**
   * Samples that are not lossless copies: decoded and encoded again, because their colours or format cannot be stored.
   */
  converted: count,
  inputBytes: count,
  classes: z.array(classSchema),
  frequencies: z.array(frequencySchema),
  shards: z.array(shardEntrySchema),
  /** The index beside the manifest, of all samples in the order of the shards. */
  index: z.object({ name: z.string().min(1), byteLength: count, crc32c: z.number().int().min(0).max(0xffffffff) }),
});

const sidecarSchema = z.object({
  format: z.literal("dctstream-sidecar"),
  version: z.literal(sidecarVersion),
  /** Index of the source in the manifest's list, and the shard's number within that source. */
  source: count,
  part: count,
  /** True on the last sidecar of a source: nothing of it is missing. */
  endOfSource: z.boolean(),
  /** Where in the source the next shard begins: what resuming reads from. */
  next: count,
  /** Absent when a source held no good sample at all. */
  shard: shardEntrySchema.optional(),
  /** The shard's part of the index, an Arrow file in base64. */
  index: z.string().optional(),
  inputBytes: count,
  failures: z.array(failureSchema),
  ignored: z.record(z.string(), count).optional(),
  converted: count,
  classes: z.array(classSchema),
  statistics: sumsSchema,
});

export type Manifest = z.infer<typeof manifestSchema>;
export type Sidecar = z.infer<typeof sidecarSchema>;
export type SidecarBody = Omit<Sidecar, "format" | "version">;
export type Failure = z.infer<typeof failureSchema>;
export type ClassEntry = z.infer<typeof classSchema>;
export type SourceEntry = z.infer<typeof sourceSchema>;

/** A manifest together with the folder that its shard names are relative to. */
export interface LoadedManifest extends Manifest {
  readonly folder: string;
  readonly url: string;
}

export function sidecarName(shardName: string): string {
  return shardName.replace(/\.arrow$/, ".json");
}

/** What the names of a source's shards and sidecars begin with. */
export function shardPrefix(source: number): string {
  return `shard-${String(source).padStart(5, "0")}-`;
}

/** `shard-00003-00000.arrow`: the fourth source's first shard. */
export function shardName(source: number, part: number): string {
  return `${shardPrefix(source)}${String(part).padStart(5, "0")}.arrow`;
}

/** `shard-00003` of `shard-00003-00000.arrow`, with its folder if it has one; undefined for names of another shape. */
function originOf(shardName: string): string | undefined {
  return /^(.+)-\d{5,}\.arrow$/.exec(shardName)?.[1];
}

/**
 * How many samples came from each origin, the source that the shards of a prefix were made of, in their order. The
 * shards of one follow each other, in however many parts; a shard whose name is of another shape is an origin of its
 * own.
 */
export function samplesByOrigin(shards: readonly Pick<Manifest["shards"][number], "name" | "samples">[]): number[] {
  const counts: number[] = [];
  let last: string | undefined;
  for (const { name, samples } of shards) {
    const origin = originOf(name);
    if (origin !== undefined && origin === last) counts.push((counts.pop() as number) + samples);
    else counts.push(samples);
    last = origin;
  }
  return counts;
}

/** Version first: a document from the future must not be reported as damaged. */
function checkVersion(value: unknown, format: string, known: readonly number[], url: string): void {
  const { format: found, version } = (value ?? {}) as { format?: unknown; version?: unknown };
  if (found !== format) {
    const what = typeof found === "string" ? JSON.stringify(found.slice(0, 40)) : typeof found;
    throw new ToolkitError("BAD_MANIFEST", `expected format "${format}", found ${what}`, { source: url });
  }
  if (typeof version === "number" && !known.includes(version)) {
    const advice = version > Math.max(...known) ? "update it" : "run preprocess again, with `overwrite`";
    throw new ToolkitError(
      "UNSUPPORTED_MANIFEST_VERSION",
      `version ${version}, this version of dctstream reads ${known.join(" and ")}; ${advice}`,
      { source: url },
    );
  }
}

interface Format {
  readonly format: string;
  readonly versions: readonly number[];
}

const manifestFormat: Format = { format: "dctstream-manifest", versions: manifestVersions };
const sidecarFormat: Format = { format: "dctstream-sidecar", versions: [sidecarVersion] };

function parse<T>(schema: z.ZodType<T>, { format, versions }: Format, text: string, url: string): T {
  const value = parseJson(text, url, "BAD_MANIFEST");
  checkVersion(value, format, versions, url);
  return checkDocument(schema, value, url, "BAD_MANIFEST");
}

/** The names of all files of shards. */
const namesOf = (shards: readonly ShardEntry[]) =>
  shards.flatMap(({ name, seek }) => (seek === undefined ? [name] : [name, seek.name]));

/**
 * Parses a manifest. Throws BAD_MANIFEST when a file lies outside the folder, or a manifest from a service has files on
 * this machine for its sources, unless storage options allow it; and when its numbers cannot all be true.
 */
export function parseManifest(text: string, url: string): LoadedManifest {
  const manifest = parse(manifestSchema, manifestFormat, text, url);
  const { shards, index } = manifest;
  const outside = storageOptions().allowOutside === true;
  const problem =
    (outside ? undefined : (nameProblem([index.name, ...namesOf(shards)]) ?? outsideProblem(manifest, url))) ??
    sourceProblem(manifest) ??
    layoutProblem(manifest);
  if (problem !== undefined) throw new ToolkitError("BAD_MANIFEST", problem, { source: url });
  return { ...manifest, folder: parentUrl(url), url };
}

/** Reads a manifest by its own URL or its folder's. NOT_FOUND, BAD_MANIFEST, UNSUPPORTED_MANIFEST_VERSION. */
export async function readManifest(url: string): Promise<LoadedManifest> {
  const file = url.endsWith(".json") ? url : `${url.replace(/\/+$/, "")}/${manifestName}`;
  const text = await readText(file);
  if (text === undefined)
    throw new ToolkitError("NOT_FOUND", "no manifest there; preprocess writes one when it has finished", {
      source: file,
    });
  return parseManifest(text, file);
}

/** Parses a sidecar. Throws BAD_MANIFEST, also when its shard lies elsewhere or its numbers cannot all be true. */
export function parseSidecar(text: string, url: string): Sidecar {
  const sidecar = parse(sidecarSchema, sidecarFormat, text, url);
  const shards = sidecar.shard === undefined ? [] : [sidecar.shard];
  const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
  const problem = nameProblem(namesOf(shards)) ?? layoutProblem({ samples, shards });
  if (problem !== undefined) throw new ToolkitError("BAD_MANIFEST", problem, { source: url });
  return sidecar;
}

export async function writeSidecar(url: string, sidecar: SidecarBody, signal?: AbortSignal): Promise<void> {
  const text = JSON.stringify({ format: "dctstream-sidecar", version: sidecarVersion, ...sidecar });
  await putObject(url, `${text}\n`, { signal });
}

export async function writeManifest(
  url: string,
  body: Omit<Manifest, "format" | "version" | "tool">,
): Promise<Manifest> {
  const head = {
    format: "dctstream-manifest",
    version: body.shards.some(({ seek }) => seek !== undefined) ? 5 : 4,
    tool: `dctstream ${version}`,
  } as const;
  const manifest = { ...head, ...body };
  await putObject(url, `${JSON.stringify(manifest, undefined, 1)}\n`, { ifAbsent: true });
  return manifest;
}
