// Writing an object to S3: one PUT when it is small, a multipart upload otherwise. Until the last request nothing is visible; memory is bounded
// by the parts under way.
import type { CompletedPart } from "@aws-sdk/client-s3";
import { ToolkitError } from "../../errors.js";
import { InFlight } from "../../in-flight.js";
import { copyBytes } from "../../native/index.js";
import { count } from "../counters.js";
import type { CreateOptions, ObjectInfo, ObjectWriter } from "../object-store.js";
import { writing } from "../remote/activity.js";
import type { S3Connection, S3Session } from "./client.js";
import { isConditionFailed, isMissing, isNotImplemented } from "./errors.js";
import { getSmallObject, headObject } from "./objects.js";
import type { Payer, S3Place } from "./url.js";

/**
 * Bytes of each of the first thousand parts; each thousand after that is of twice the size. S3 takes 10,000 parts, so
 * this reaches its largest object.
 */
const partBytes = 8 << 20;
const partsPerSize = 1000;
/** Uploaded at once, while another is filled. */
const partsInFlight = 3;
/** A new buffer begins with this; most objects are sidecars. */
const firstBufferBytes = 64 << 10;

interface Condition {
  readonly IfNoneMatch?: string;
}

export interface S3WriterOptions extends CreateOptions {
  readonly onCommit?: (info: ObjectInfo) => void;
}

export class S3Writer implements ObjectWriter {
  private buffer = new Uint8Array(firstBufferBytes);
  private filled = 0;
  private byteLength = 0;
  private uploadId: Promise<string> | undefined;
  private readonly parts: CompletedPart[] = [];
  private readonly uploads = new InFlight(partsInFlight);
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private readonly onCommit: S3WriterOptions["onCommit"];
  private readonly condition: Condition;

  constructor(
    private readonly connection: S3Connection,
    private readonly place: S3Place,
    private readonly payer: Payer,
    { ifAbsent = false, signal, onCommit }: S3WriterOptions,
  ) {
    this.onCommit = onCommit;
    this.condition = ifAbsent ? { IfNoneMatch: "*" } : {};
    this.signal = signal === undefined ? this.stop.signal : AbortSignal.any([signal, this.stop.signal]);
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let taken = 0; taken < chunk.length; ) {
      const room = this.nextPartBytes - this.filled;
      const piece = chunk.subarray(taken, taken + room);
      this.append(piece);
      taken += piece.length;
      if (this.filled === this.nextPartBytes) await this.sendPart();
    }
  }

  async commit(): Promise<ObjectInfo> {
    const info = await (this.uploadId === undefined
      ? writing(this.filled, () => this.putWhole())
      : this.complete(await this.uploadId));
    count("bytesWritten", this.byteLength);
    this.onCommit?.(info);
    return info;
  }

  async abort(): Promise<void> {
    this.stop.abort(new ToolkitError("INTERNAL", "the upload was given up"));
    await this.uploads.settle();
    const UploadId = await this.uploadId?.catch(() => undefined);
    if (UploadId === undefined) return;
    const request = this.request({ UploadId });
    const send = ({ sdk, client, abort }: S3Session) =>
      client.send(new sdk.AbortMultipartUploadCommand(request), abort);
    // What cannot be aborted now, the next run's sweep aborts; the error that led here matters more.
    await this.connection.call("cannot remove it", this.place, send).catch(() => {});
  }

  private get nextPartBytes(): number {
    return partBytes * 2 ** Math.floor(this.parts.length / partsPerSize);
  }

  private append(piece: Uint8Array): void {
    const needed = this.filled + piece.length;
    if (needed > this.buffer.length) {
      const larger = new Uint8Array(Math.min(this.nextPartBytes, Math.max(needed, 4 * this.buffer.length)));
      copyBytes(larger, this.buffer.subarray(0, this.filled));
      this.buffer = larger;
    }
    copyBytes(this.buffer.subarray(this.filled), piece);
    this.filled += piece.length;
    this.byteLength += piece.length;
  }

  /** Starts the upload of what is buffered; waits when too many are under way. */
  private async sendPart(): Promise<void> {
    this.uploadId ??= this.begin();
    const Body = this.buffer.subarray(0, this.filled);
    this.buffer = new Uint8Array(partBytes);
    this.filled = 0;
    const part: CompletedPart = { PartNumber: this.parts.length + 1 };
    this.parts.push(part);
    await this.uploads.add(writing(Body.length, () => this.uploadPart(part, Body)));
  }

  private async begin(): Promise<string> {
    const { UploadId } = await this.call(({ sdk, client, abort }) =>
      client.send(new sdk.CreateMultipartUploadCommand(this.request()), abort),
    );
    return UploadId as string;
  }

  private async uploadPart(part: CompletedPart, Body: Uint8Array): Promise<void> {
    const UploadId = await (this.uploadId as Promise<string>);
    const request = { ...this.request({ UploadId }), PartNumber: part.PartNumber, Body };
    const { ETag } = await this.call(({ sdk, client, abort }) =>
      client.send(new sdk.UploadPartCommand(request), abort),
    );
    part.ETag = ETag;
  }

  private async putWhole(): Promise<ObjectInfo> {
    const { byteLength, place } = this;
    const Body = this.buffer.subarray(0, this.filled);
    const answer = await this.unlessRefused(({ sdk, client, abort }, condition) =>
      client.send(new sdk.PutObjectCommand({ ...this.request(), ...condition, Body }), abort),
    );
    // The signature covers the bytes: what was taken is what was sent.
    if (answer !== undefined) return { url: place.url, byteLength, version: answer.ETag ?? "", kind: "object" };
    // An earlier attempt may have written it, and only its answer was lost.
    const found = await getSmallObject(this.connection, this.place, this.payer, this.signal);
    if (found?.equals(Body)) return this.confirm();
    throw this.exists();
  }

  private async complete(UploadId: string): Promise<ObjectInfo> {
    if (this.filled > 0) await this.sendPart();
    await this.uploads.finish();
    const request = { ...this.request({ UploadId }), MultipartUpload: { Parts: this.parts } };
    const send = async ({ sdk, client, abort }: S3Session, condition: Condition) => {
      try {
        return await client.send(new sdk.CompleteMultipartUploadCommand({ ...request, ...condition }), abort);
      } catch (error) {
        // The answer to an earlier attempt may have been lost after the upload was completed: `confirm` finds out.
        if (isMissing(error)) return {};
        throw error;
      }
    };
    const answer = await writing(0, () => this.unlessRefused(send));
    if (answer === undefined) throw this.exists();
    return this.confirm();
  }

  /** Undefined when the condition of the write was not met. On a service without conditions it is written regardless. */
  private unlessRefused<T>(send: (session: S3Session, condition: Condition) => Promise<T>): Promise<T | undefined> {
    return this.call(async (session) => {
      try {
        return await send(session, this.condition);
      } catch (error) {
        if (isConditionFailed(error)) return undefined;
        if (this.condition.IfNoneMatch === undefined || !isNotImplemented(error)) throw error;
        return send(session, {});
      }
    });
  }

  private exists(): ToolkitError {
    return new ToolkitError("OBJECT_EXISTS", "somebody else has written it meanwhile", { source: this.place.url });
  }

  /** What is there now; IO_ERROR when it is not what was written. */
  private async confirm(): Promise<ObjectInfo> {
    const info = await headObject(this.connection, this.place, this.payer, this.signal);
    if (info?.byteLength === this.byteLength) return info;
    const message = `wrote ${this.byteLength} bytes, the object has ${info?.byteLength ?? "none"}`;
    throw new ToolkitError("IO_ERROR", message, { source: this.place.url });
  }

  private call<T>(send: (session: S3Session) => Promise<T>): Promise<T> {
    return this.connection.call("cannot write it", this.place, send, this.signal);
  }

  private request<T extends object>(more?: T) {
    return { Bucket: this.place.bucket, Key: this.place.key, ...this.payer, ...more } as {
      Bucket: string;
      Key: string;
    } & Payer &
      T;
  }
}
