// The options of every command that say how object storage is reached, and of those that read shards, where they are cached.
import type { Argv } from "yargs";
import { invalidOption } from "../../src/errors.js";
import type { LoaderCacheOptions, LoaderOptions } from "../../src/pipeline/load/options.js";
import type { StorageOptions } from "../../src/storage/store.js";
import { argument } from "../command.js";
import { parseSize } from "./quantity.js";

const storageNames = [
  "s3-endpoint",
  "s3-region",
  "s3-profile",
  "s3-anonymous",
  "s3-requester-pays",
  "s3-path-style",
  "retries",
  "request-timeout",
] as const;

export function withStorageOptions(parser: Argv): Argv {
  return parser
    .option("s3-endpoint", {
      type: "string",
      requiresArg: true,
      describe: "S3 service other than AWS, such as http://localhost:9000; AWS_ENDPOINT_URL_S3 says the same",
    })
    .option("s3-region", { type: "string", requiresArg: true, describe: "Region of the bucket, when not AWS_REGION" })
    .option("s3-profile", {
      type: "string",
      requiresArg: true,
      describe: "Profile of ~/.aws for credentials and region",
    })
    .option("s3-anonymous", { type: "boolean", describe: "Do not sign requests: public buckets" })
    .option("s3-requester-pays", { type: "boolean", describe: "Agree to pay for requests and transfer" })
    .option("s3-path-style", {
      type: "boolean",
      describe: "Bucket in the path instead of the host name; the default with --s3-endpoint",
    })
    .option("retries", {
      type: "number",
      requiresArg: true,
      describe: "Attempts of a request in a row that may fail; 10 when not given",
    })
    .option("request-timeout", {
      type: "number",
      requiresArg: true,
      describe:
        "Seconds to connect, to the first byte of an answer and between its bytes, after which a request is tried again; 10, 30 and 20 when not given",
    })
    .option("allow-outside", {
      type: "boolean",
      describe: "Let a manifest name files outside its folder; only for manifests of your own",
    })
    .group([...storageNames], "Object storage:");
}

export function storageOptionsFrom(args: Record<string, unknown>): StorageOptions {
  const endpoint = argument<string | undefined>(args, "s3Endpoint");
  const attempts = argument<number | undefined>(args, "retries");
  if (attempts !== undefined && !(Number.isInteger(attempts) && attempts >= 1))
    throw invalidOption("retries", "an integer >= 1", attempts);
  const seconds = argument<number | undefined>(args, "requestTimeout");
  if (seconds !== undefined && !(seconds >= 0.1 && seconds <= 86_400))
    throw invalidOption("request-timeout", "a number of seconds from 0.1 to 86400", seconds);
  const ms = 1000 * (seconds ?? 0);
  const transport = {
    ...(attempts === undefined ? {} : { retry: { maxAttempts: attempts } }),
    ...(seconds === undefined ? {} : { timeouts: { connectMs: ms, firstByteMs: ms, stallMs: ms } }),
  };
  const s3 = {
    endpoint,
    region: argument<string | undefined>(args, "s3Region"),
    profile: argument<string | undefined>(args, "s3Profile"),
    anonymous: argument<boolean | undefined>(args, "s3Anonymous"),
    requesterPays: argument<boolean | undefined>(args, "s3RequesterPays"),
    pathStyle: argument<boolean | undefined>(args, "s3PathStyle"),
  };
  const given = Object.fromEntries(Object.entries(s3).filter(([, value]) => value !== undefined));
  const allowOutside = argument<boolean | undefined>(args, "allowOutside") ?? false;
  return { s3: { ...given, ...transport }, http: transport, allowOutside };
}

/** The options of every command that reads shards into a network: how far ahead, and what is kept on a local disk. */
export function withReadOptions(parser: Argv): Argv {
  return parser
    .option("workers", {
      type: "number",
      requiresArg: true,
      describe: "View threads; one less than the cores when not given",
    })
    .option("prefetch-bytes", {
      type: "string",
      default: "1GiB",
      requiresArg: true,
      describe: "Memory for batches made ahead and what they are made from, such as 512MiB",
    })
    .option("cache", {
      type: "string",
      requiresArg: true,
      describe: "Folder on a local disk that keeps what is read, for later epochs and other processes",
    })
    .option("cache-bytes", { type: "string", requiresArg: true, describe: "What --cache may take, such as 200GiB" })
    .option("cache-expanded", {
      type: "boolean",
      describe: "Cache samples uncompressed: about twice the bytes, much less work to unpack",
    })
    .group(["cache", "cache-bytes", "cache-expanded"], "Disk cache:");
}

export function readOptionsFrom(
  args: Record<string, unknown>,
): Pick<LoaderOptions, "workers" | "cache"> & { readonly prefetchBytes: number } {
  return {
    workers: argument<number | undefined>(args, "workers"),
    prefetchBytes: parseSize("prefetch-bytes", argument<string>(args, "prefetchBytes")),
    cache: cacheOptionsFrom(args),
  };
}

function cacheOptionsFrom(args: Record<string, unknown>): LoaderCacheOptions | undefined {
  const folder = argument<string | undefined>(args, "cache");
  const bytes = argument<string | undefined>(args, "cacheBytes");
  const expanded = argument<boolean | undefined>(args, "cacheExpanded") ?? false;
  if (folder === undefined) {
    if (bytes !== undefined) throw invalidOption("cache-bytes", "given together with --cache", bytes);
    if (expanded) throw invalidOption("cache-expanded", "given together with --cache", expanded);
    return undefined;
  }
  if (bytes === undefined) throw invalidOption("cache", "given together with --cache-bytes", folder);
  return { folder, maxBytes: parseSize("cache-bytes", bytes), expanded };
}
