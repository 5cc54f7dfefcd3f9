// s3://bucket/key: any service that speaks S3. Keys are taken literally: `s3://b/a b+c%20d` names the object "a
// b+c%20d".
import { ToolkitError } from "../../errors.js";
import type { BodyStream } from "../http/body.js";
import { LeaseKeeper } from "../lease.js";
import type {
  ByteRange,
  CreateOptions,
  ListOptions,
  Lock,
  ObjectInfo,
  ObjectStore,
  ObjectWriter,
  StreamOptions,
} from "../object-store.js";
import { RequestGate } from "../remote/gate.js";
import { KnownObjects } from "../remote/known-objects.js";
import { PartWriter } from "../remote/part-writer.js";
import { type RangeAnswer, rangeAnswer } from "../remote/range-source.js";
import { RangeReader } from "../remote/ranges.js";
import { RetryPolicy } from "../remote/retry.js";
import { S3Connection, type S3Options, type S3Session } from "./client.js";
import { S3Listing } from "./list.js";
import { getSmallObject, headObject } from "./objects.js";
import { S3Upload } from "./upload.js";
import { type Payer, parseS3Url, type S3Place } from "./url.js";

export class S3Store implements ObjectStore {
  private readonly connection: S3Connection;
  private readonly ranges: RangeReader;
  private readonly listing: S3Listing;
  private readonly known = new KnownObjects();
  private readonly payer: Payer;

  constructor(options: S3Options = {}) {
    const retry = new RetryPolicy(options.retry);
    const gate = new RequestGate(options.maxRequests);
    this.connection = new S3Connection(options, retry, gate);
    this.ranges = new RangeReader(retry, gate, this.known);
    this.payer = options.requesterPays ? { RequestPayer: "requester" } : {};
    this.listing = new S3Listing(this.connection, this.payer);
  }

  async stat(url: string, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    const place = parseS3Url(url);
    const object = place.key === "" || url.endsWith("/") ? undefined : await this.head(place, signal);
    if (object !== undefined) return object;
    if (!(await this.listing.isFolder(place, signal))) return undefined;
    return { url, byteLength: 0, version: "", kind: "folder" };
  }

  async read(url: string, range: ByteRange, target?: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.ranges.read(this.source(parseS3Url(url)), range, target, signal);
  }

  async *stream(url: string, options: StreamOptions = {}): AsyncGenerator<Uint8Array> {
    const place = parseS3Url(url);
    const info = this.known.infoOf(url) ?? (await this.head(place, options.signal));
    if (info === undefined) {
      throw new ToolkitError("NOT_FOUND", `bucket ${place.bucket} has no object ${place.key}`, { source: url });
    }
    yield* this.ranges.stream(this.source(place), info, options);
  }

  async list(url: string, { namePrefix = "", signal }: ListOptions = {}): Promise<ObjectInfo[]> {
    return this.listing.below(parseS3Url(url), namePrefix, signal);
  }

  async create(url: string, { ifAbsent = false, signal }: CreateOptions = {}): Promise<ObjectWriter> {
    const upload = new S3Upload(this.connection, parseS3Url(url), this.payer, ifAbsent);
    return new PartWriter(upload, { onCommit: (info) => this.known.looked(url, info), signal });
  }

  async remove(url: string): Promise<void> {
    const place = parseS3Url(url);
    this.known.looked(url, undefined);
    await this.connection.call("cannot remove it", place, ({ sdk, client, abort }) =>
      client.send(new sdk.DeleteObjectCommand({ Bucket: place.bucket, Key: place.key, ...this.payer }), abort),
    );
  }

  async sweep(folder: string, isName: (name: string) => boolean): Promise<void> {
    await this.listing.abortUploads(parseS3Url(folder), isName);
  }

  lock(folder: string, signal?: AbortSignal): Promise<Lock | undefined> {
    return new LeaseKeeper(this, folder).acquire(signal);
  }

  /** See LeaseStore. */
  async readSmall(url: string, signal?: AbortSignal): Promise<string | undefined> {
    return (await getSmallObject(this.connection, parseS3Url(url), this.payer, signal))?.toString();
  }

  async close(): Promise<void> {
    this.known.clear();
    await this.connection.close();
  }

  private async head(place: S3Place, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    const info = await headObject(this.connection, place, this.payer, signal);
    this.known.looked(place.url, info);
    return info;
  }

  private source(place: S3Place) {
    const { bucket, key, url } = place;
    const get = async (range: ByteRange, version: string | undefined, signal?: AbortSignal): Promise<RangeAnswer> => {
      const input = {
        Bucket: bucket,
        Key: key,
        Range: `bytes=${range.start}-${range.end - 1}`,
        ...(version ? { IfMatch: version } : {}),
        ...this.payer,
      };
      const send = ({ sdk, client, abort }: S3Session) => client.send(new sdk.GetObjectCommand(input), abort);
      const answer = await this.connection.once("cannot read it", place, send, signal);
      const { $metadata, ContentLength, ContentRange, ETag } = answer;
      const headers = {
        ...(ContentLength === undefined ? {} : { "content-length": String(ContentLength) }),
        ...(ContentRange === undefined ? {} : { "content-range": ContentRange }),
      };
      const { raw } = answer.Body as unknown as BodyStream;
      return rangeAnswer({ status: $metadata.httpStatusCode ?? 0, headers, body: raw }, range, ETag);
    };
    return { url, get };
  }
}
