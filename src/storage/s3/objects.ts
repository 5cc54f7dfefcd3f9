// What an object is, without its bytes, and the bytes of a small one.
import type { Readable } from "node:stream";
import type { BodyStream } from "../http/body.js";
import type { ObjectInfo } from "../object-store.js";
import type { S3Connection, S3Session } from "./client.js";
import { isMissing, statusOf } from "./errors.js";
import type { Payer, S3Place } from "./url.js";

/** Undefined when there is none. */
export function headObject(
  connection: S3Connection,
  place: S3Place,
  payer: Payer,
  signal?: AbortSignal,
): Promise<ObjectInfo | undefined> {
  const { bucket: Bucket, key: Key, url } = place;
  const look = async ({ sdk, client, abort }: S3Session): Promise<ObjectInfo | undefined> => {
    try {
      const request = new sdk.HeadObjectCommand({ Bucket, Key, ...payer });
      const { ContentLength = 0, ETag = "" } = await client.send(request, abort);
      return { url, byteLength: ContentLength, version: ETag, kind: "object" };
    } catch (error) {
      if (isMissing(error)) return undefined;
      const status = statusOf(error) ?? 500;
      if (status >= 500) throw error;
      // The answer to a HEAD has no body, so a refusal gives no reason: expired credentials, a wrong key, another
      // region. A GET's does.
      const request = new sdk.GetObjectCommand({ Bucket, Key, Range: "bytes=0-0", ...payer });
      const { Body, ContentRange, ContentLength, ETag = "" } = await client.send(request, abort);
      (Body as unknown as BodyStream).raw.close();
      const total = /\/(\d+)$/.exec(ContentRange ?? "")?.[1] ?? ContentLength;
      return { url, byteLength: Number(total), version: ETag, kind: "object" };
    }
  };
  return connection.call("cannot look at it", place, look, signal);
}

/** All of an object of a few bytes, whatever version is there now; undefined when there is none. */
export function getSmallObject(
  connection: S3Connection,
  { bucket: Bucket, key: Key, ...place }: S3Place,
  payer: Payer,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const get = async ({ sdk, client, abort }: S3Session): Promise<Buffer | undefined> => {
    try {
      const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket, Key, ...payer }), abort);
      return Buffer.concat(await (Body as Readable).toArray());
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  };
  return connection.call("cannot read it", { ...place, bucket: Bucket, key: Key }, get, signal);
}
