// The requests that write an object to S3, whole or in parts; remote/part-writer.ts decides which.
import type { CompletedPart } from "@aws-sdk/client-s3";
import { ToolkitError } from "../../errors.js";
import type { ObjectInfo } from "../object-store.js";
import type { PartUpload } from "../remote/part-writer.js";
import type { S3Connection, S3Session } from "./client.js";
import { isConditionFailed, isMissing, isNotImplemented } from "./errors.js";
import { getSmallObject, headObject } from "./objects.js";
import type { Payer, S3Place } from "./url.js";

interface Condition {
  readonly IfNoneMatch?: string;
}

export class S3Upload implements PartUpload<CompletedPart> {
  private readonly condition: Condition;

  constructor(
    private readonly connection: S3Connection,
    private readonly place: S3Place,
    private readonly payer: Payer,
    ifAbsent: boolean,
  ) {
    this.condition = ifAbsent ? { IfNoneMatch: "*" } : {};
  }

  async putWhole(Body: Uint8Array, signal: AbortSignal): Promise<ObjectInfo> {
    const { url } = this.place;
    const send = ({ sdk, client, abort }: S3Session, condition: Condition) =>
      client.send(new sdk.PutObjectCommand({ ...this.request(), ...condition, Body }), abort);
    const answer = await this.unlessRefused(send, signal);
    // The signature covers the bytes: what was taken is what was sent.
    if (answer !== undefined) return { url, byteLength: Body.length, version: answer.ETag ?? "", kind: "object" };
    // An earlier attempt may have written it, and only its answer was lost.
    const found = await getSmallObject(this.connection, this.place, this.payer, signal);
    if (found?.equals(Body)) return this.confirm(Body.length, signal);
    throw this.exists();
  }

  async begin(signal: AbortSignal): Promise<string> {
    const send = ({ sdk, client, abort }: S3Session) =>
      client.send(new sdk.CreateMultipartUploadCommand(this.request()), abort);
    return (await this.call(send, signal)).UploadId as string;
  }

  async putPart(UploadId: string, PartNumber: number, Body: Uint8Array, signal: AbortSignal): Promise<CompletedPart> {
    const request = { ...this.request({ UploadId }), PartNumber, Body };
    const send = ({ sdk, client, abort }: S3Session) => client.send(new sdk.UploadPartCommand(request), abort);
    const { ETag } = await this.call(send, signal);
    return { PartNumber, ETag };
  }

  async complete(
    UploadId: string,
    parts: readonly CompletedPart[],
    byteLength: number,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    const request = { ...this.request({ UploadId }), MultipartUpload: { Parts: [...parts] } };
    const send = async ({ sdk, client, abort }: S3Session, condition: Condition) => {
      try {
        return await client.send(new sdk.CompleteMultipartUploadCommand({ ...request, ...condition }), abort);
      } catch (error) {
        // The answer to an earlier attempt may have been lost after the upload was completed: `confirm` tells.
        if (isMissing(error)) return {};
        throw error;
      }
    };
    const answer = await this.unlessRefused(send, signal);
    if (answer === undefined) throw this.exists();
    return this.confirm(byteLength, signal);
  }

  async abort(UploadId: string): Promise<void> {
    const request = this.request({ UploadId });
    const send = ({ sdk, client, abort }: S3Session) =>
      client.send(new sdk.AbortMultipartUploadCommand(request), abort);
    // What cannot be aborted now, the next run's sweep aborts.
    await this.connection.call("cannot remove it", this.place, send).catch(() => {});
  }

  /**
   * Undefined when the condition of the write was not met. On a service without conditions it is written regardless.
   */
  private unlessRefused<T>(
    send: (session: S3Session, condition: Condition) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const sendOr = async (session: S3Session) => {
      try {
        return await send(session, this.condition);
      } catch (error) {
        if (isConditionFailed(error)) return undefined;
        if (this.condition.IfNoneMatch === undefined || !isNotImplemented(error)) throw error;
        return send(session, {});
      }
    };
    return this.call(sendOr, signal);
  }

  private exists(): ToolkitError {
    return new ToolkitError("OBJECT_EXISTS", "somebody else has written it meanwhile", { source: this.place.url });
  }

  /** What is there now; IO_ERROR when it is not what was written. */
  private async confirm(byteLength: number, signal: AbortSignal): Promise<ObjectInfo> {
    const info = await headObject(this.connection, this.place, this.payer, signal);
    if (info?.byteLength === byteLength) return info;
    const message = `wrote ${byteLength} bytes, the object has ${info?.byteLength ?? "none"}`;
    throw new ToolkitError("IO_ERROR", message, { source: this.place.url });
  }

  private call<T>(send: (session: S3Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.connection.call("cannot write it", this.place, send, signal);
  }

  private request<T extends object>(more?: T) {
    return { Bucket: this.place.bucket, Key: this.place.key, ...this.payer, ...more } as {
      Bucket: string;
      Key: string;
    } & Payer &
      T;
  }
}
