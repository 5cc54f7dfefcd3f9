// Samples -> one shard file: record batches of bounded size, a running SHA-256, published whole or not at all.
import { createHash } from "node:crypto";
import { type RecordBatch, RecordBatchFileWriter, RecordBatchWriter, type Schema } from "apache-arrow";
import { type Codec, crc32c } from "../native/index.js";
import { writableAt } from "../storage/at.js";
import type { ObjectWriter } from "../storage/object-store.js";
import { joinUrl } from "../storage/url.js";
import type { SampleRecord } from "./record.js";
import { RecordBatchBuilder } from "./record-batch.js";
import { SampleIndexBuilder } from "./sample-index-builder.js";

/** Where a record batch lies in its file: a reader fetches `byteLength` bytes from `offset` and has whole samples. */
export interface BatchEntry {
  readonly offset: number;
  readonly byteLength: number;
  readonly samples: number;
  /** Where the coefficients begin, from the batch's own first byte: all samples' one after another. */
  readonly coefficients: number;
  /** CRC-32C of these bytes: a reader of a range cannot check the shard's own SHA-256. */
  readonly crc32c: number;
}

export interface ShardEntry {
  /** Relative to the manifest. */
  readonly name: string;
  readonly byteLength: number;
  readonly sha256: string;
  readonly samples: number;
  readonly batches: readonly BatchEntry[];
}

/** Samples per record batch: the unit of range reads. */
const batchSamples = 128;
/** A batch is closed early at this size, so that a few very large images cannot fill the memory. */
const maxBatchBytes = 32 << 20;

/** Hands out the bytes as they are written, instead of queueing the whole file. */
class CollectingFileWriter extends RecordBatchFileWriter {
  private chunks: Uint8Array[] = [];
  /** Memory whose location in the file is wanted, and that location once it was written. */
  private watched: ArrayBufferLike | undefined;
  private watchedAt = 0;

  override _write(chunk: ArrayBufferView): this {
    if (!this._started || chunk.byteLength === 0) return this;
    if (chunk.buffer === this.watched) this.watchedAt = this._position;
    this.chunks.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this._position += chunk.byteLength;
    return this;
  }

  /** The format wants the schema in front as well as in the footer; the stock file writer leaves the first out. */
  override _writeSchema(schema: Schema): this {
    super._writeSchema(schema);
    return RecordBatchWriter.prototype["_writeSchema"].call(this, schema) as this;
  }

  takeChunks(): Uint8Array[] {
    const taken = this.chunks;
    this.chunks = [];
    return taken;
  }

  /** Writes a batch; `coefficients` is the memory of that column and of nothing else. */
  writeBatch(
    batch: RecordBatch,
    coefficients: ArrayBufferLike,
  ): Pick<BatchEntry, "offset" | "byteLength" | "coefficients"> {
    this.watched = coefficients;
    this.write(batch);
    const block = this._recordBatchBlocks.at(-1);
    if (block === undefined) throw new RangeError("no record batch was written");
    const { offset, metaDataLength, bodyLength } = block;
    return { offset, byteLength: metaDataLength + bodyLength, coefficients: this.watchedAt - offset };
  }
}

export class ShardWriter {
  private readonly arrow = new CollectingFileWriter();
  private readonly hash = createHash("sha256");
  private readonly batches: BatchEntry[] = [];
  private readonly pending: RecordBatchBuilder;
  private readonly index = new SampleIndexBuilder();
  private writtenBytes = 0;

  private constructor(
    private readonly name: string,
    codec: Codec,
    private readonly out: ObjectWriter,
  ) {
    this.pending = new RecordBatchBuilder(codec);
  }

  static async open(folder: string, name: string, codec: Codec, signal?: AbortSignal): Promise<ShardWriter> {
    const url = joinUrl(folder, name);
    return new ShardWriter(name, codec, await writableAt(url).create({ signal }));
  }

  /** Bytes written so far and bytes waiting for their batch: what the roll-over is decided by. */
  get byteLength(): number {
    return this.writtenBytes + this.pending.byteLength;
  }

  /** The sample's memory is free again when this returns. */
  async append(sample: SampleRecord): Promise<void> {
    this.pending.append(sample);
    this.index.add(sample);
    if (this.pending.samples >= batchSamples || this.pending.byteLength >= maxBatchBytes) await this.flushBatch();
  }

  /** Publishes the shard under its name; its part of the index comes back with its entry. */
  async finish(): Promise<{ readonly shard: ShardEntry; readonly index: Uint8Array }> {
    await this.flushBatch();
    this.arrow.close();
    await this.writeChunks();
    const info = await this.out.commit();
    const samples = this.batches.reduce((sum, batch) => sum + batch.samples, 0);
    const { name, batches } = this;
    const shard = { name, byteLength: info.byteLength, sha256: this.hash.digest("hex"), samples, batches };
    return { shard, index: this.index.finish() };
  }

  async abort(): Promise<void> {
    await this.out.abort();
  }

  private async flushBatch(): Promise<void> {
    const { samples } = this.pending;
    if (samples === 0) return;
    const block = this.arrow.writeBatch(this.pending.build(), this.pending.coefficientMemory);
    // The first batch's chunks begin with the file's head.
    const crc = await this.writeChunks(block.offset);
    const { offset, byteLength, coefficients } = block;
    this.batches.push({ offset, byteLength, samples, coefficients, crc32c: crc });
    this.pending.clear();
  }

  /** CRC-32C of what was written from the file's byte `from` on. */
  private async writeChunks(from = 0): Promise<number> {
    let crc = 0;
    for (const bytes of joinSmall(this.arrow.takeChunks())) {
      crc = crc32c(bytes.subarray(Math.max(0, from - this.writtenBytes)), crc);
      await this.writeBytes(bytes);
    }
    return crc;
  }

  private async writeBytes(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    this.writtenBytes += bytes.length;
    await this.out.write(bytes);
  }
}

/** Pieces of this size are written as they are. */
const largePiece = 64 << 10;

/**
 * A batch is dozens of small pieces (lengths, padding) around a few large ones: a write for each of the small would be
 * slow.
 */
function* joinSmall(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (chunk.length < largePiece) {
      small.push(chunk);
      continue;
    }
    if (small.length > 0) yield Buffer.concat(small);
    small = [];
    yield chunk;
  }
  if (small.length > 0) yield Buffer.concat(small);
}
