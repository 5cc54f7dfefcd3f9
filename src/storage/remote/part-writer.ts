// Writing an object in parts, to a service that takes them in any order: one request when the object is small, a
// multipart upload otherwise. Until the last request nothing is visible; memory is bounded by the parts under way. What
// the requests are is the service's.
import { ToolkitError } from "../../errors.js";
import { InFlight } from "../../in-flight.js";
import { copyBytes } from "../../native/index.js";
import { count } from "../counters.js";
import type { ObjectInfo, ObjectWriter } from "../object-store.js";
import { writing } from "./activity.js";

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

/**
 * The requests that write one object. `Part` is what the service wants to be told of a part when the upload is
 * completed.
 */
export interface PartUpload<Part> {
  /** The whole object in one request. */
  putWhole(content: Uint8Array, signal: AbortSignal): Promise<ObjectInfo>;
  /** Begins an upload in parts, and returns its name. */
  begin(signal: AbortSignal): Promise<string>;
  /** Parts are numbered from 1. */
  putPart(upload: string, number: number, content: Uint8Array, signal: AbortSignal): Promise<Part>;
  /** Makes the parts an object of `byteLength` bytes. */
  complete(upload: string, parts: readonly Part[], byteLength: number, signal: AbortSignal): Promise<ObjectInfo>;
  /** Removes the parts. Never fails: the error that led here matters more. */
  abort(upload: string): Promise<void>;
}

export interface PartWriterOptions {
  readonly onCommit?: (info: ObjectInfo) => void;
  readonly signal?: AbortSignal | undefined;
}

export class PartWriter<Part> implements ObjectWriter {
  private buffer = new Uint8Array(firstBufferBytes);
  private filled = 0;
  private byteLength = 0;
  private uploadName: Promise<string> | undefined;
  private partsBegun = 0;
  /** The parts in their order, whichever ends first. */
  private readonly parts: Part[] = [];
  private readonly uploads = new InFlight(partsInFlight);
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private readonly onCommit: PartWriterOptions["onCommit"];

  constructor(
    private readonly upload: PartUpload<Part>,
    { signal, onCommit }: PartWriterOptions,
  ) {
    this.onCommit = onCommit;
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
    const info = await (this.uploadName === undefined
      ? writing(this.filled, () => this.upload.putWhole(this.buffer.subarray(0, this.filled), this.signal))
      : this.complete(await this.uploadName));
    count("bytesWritten", this.byteLength);
    this.onCommit?.(info);
    return info;
  }

  async abort(): Promise<void> {
    this.stop.abort(new ToolkitError("INTERNAL", "the upload was given up"));
    await this.uploads.settle();
    const name = await this.uploadName?.catch(() => undefined);
    if (name !== undefined) await this.upload.abort(name);
  }

  private get nextPartBytes(): number {
    return partBytes * 2 ** Math.floor(this.partsBegun / partsPerSize);
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
    this.uploadName ??= this.upload.begin(this.signal);
    const content = this.buffer.subarray(0, this.filled);
    this.buffer = new Uint8Array(partBytes);
    this.filled = 0;
    const index = this.partsBegun++;
    await this.uploads.add(writing(content.length, () => this.putPart(index, content)));
  }

  private async putPart(index: number, content: Uint8Array): Promise<void> {
    const name = await (this.uploadName as Promise<string>);
    this.parts[index] = await this.upload.putPart(name, index + 1, content, this.signal);
  }

  private async complete(name: string): Promise<ObjectInfo> {
    if (this.filled > 0) await this.sendPart();
    await this.uploads.finish();
    return writing(0, () => this.upload.complete(name, this.parts, this.byteLength, this.signal));
  }
}
