// Samples -> one shard file: record batches of bounded size, a running SHA-256, published whole or not at all.
import { type RecordBatch, RecordBatchFileWriter, RecordBatchWriter, type Schema } from "apache-arrow";
import { type Codec, crc32c } from "../native/index.js";
import { type FileEntry, HashedFile } from "./hashed-file.js";
import type { SampleRecord } from "./record.js";
import { RecordBatchBuilder } from "./record-batch.js";
import { SampleIndexBuilder } from "./sample-index-builder.js";
import { type FileInSource, type SeekEntry, SeekFileWriter, seekName } from "./seek-file.js";

/** Where a record batch lies in its file: a reader fetches `byteLength` bytes from `offset` and has whole samples. */
export interface BatchEntry {
  readonly offset: number;
  readonly byteLength: number;
  readonly samples: number;
  /**
   * Where the coefficients begin, from the batch's own first byte: all samples' one after another; 0 where there are
   * none.
   */
  readonly coefficients: number;
  /** CRC-32C of these bytes: a reader of a range cannot check the shard's own SHA-256. */
  readonly crc32c: number;
}

export interface ShardEntry extends FileEntry {
  readonly samples: number;
  readonly batches: readonly BatchEntry[];
  /** Of those of its samples whose files stayed in their source; absent where there are none. */
  readonly seek?: SeekEntry | undefined;
}

/** Bytes of a shard's files. */
export const bytesOfShard = ({ byteLength, seek }: ShardEntry) => byteLength + (seek?.byteLength ?? 0);

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
    this.watchedAt = 0;
    this.write(batch);
    const block = this._recordBatchBlocks.at(-1);
    if (block === undefined) throw new RangeError("no record batch was written");
    const { offset, metaDataLength, bodyLength } = block;
    return { offset, byteLength: metaDataLength + bodyLength, coefficients: Math.max(0, this.watchedAt - offset) };
  }
}

export interface ShardPlace {
  readonly folder: string;
  readonly name: string;
  /** Index of the source that its samples are of. */
  readonly source: number;
}

export class ShardWriter {
  private readonly arrow = new CollectingFileWriter();
  private readonly batches: BatchEntry[] = [];
  private readonly pending: RecordBatchBuilder;
  private readonly index = new SampleIndexBuilder();
  private seek: SeekFileWriter | undefined;

  private constructor(
    private readonly place: ShardPlace,
    codec: Codec,
    private readonly file: HashedFile,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.pending = new RecordBatchBuilder(codec);
  }

  static async open(place: ShardPlace, codec: Codec, signal?: AbortSignal): Promise<ShardWriter> {
    return new ShardWriter(place, codec, await HashedFile.open(place.folder, place.name, signal), signal);
  }

  /** Bytes written so far and bytes waiting for their batch: what the roll-over is decided by. */
  get byteLength(): number {
    return this.file.byteLength + this.pending.byteLength + (this.seek?.byteLength ?? 0);
  }

  /** `stayed`: where the file is, if it is not in the record. The sample's memory is free again when this returns. */
  async append(sample: SampleRecord, stayed?: FileInSource): Promise<void> {
    this.pending.append(sample);
    this.index.add(sample);
    if (stayed !== undefined) await this.appendSeek(stayed);
    if (this.pending.samples >= batchSamples || this.pending.byteLength >= maxBatchBytes) await this.flushBatch();
  }

  /** Publishes the shard under its name; its part of the index comes back with its entry. */
  async finish(): Promise<{ readonly shard: ShardEntry; readonly index: Uint8Array }> {
    await this.flushBatch();
    this.arrow.close();
    await this.writeChunks();
    const seek = await this.seek?.finish();
    this.seek = undefined;
    const file = await this.file.commit();
    const samples = this.batches.reduce((sum, batch) => sum + batch.samples, 0);
    const shard = { ...file, samples, batches: this.batches, ...(seek === undefined ? {} : { seek }) };
    return { shard, index: this.index.finish() };
  }

  async abort(): Promise<void> {
    await this.seek?.abort();
    await this.file.abort();
  }

  private async appendSeek(stayed: FileInSource): Promise<void> {
    const { folder, name, source } = this.place;
    this.seek ??= await SeekFileWriter.open(folder, seekName(name), source, this.signal);
    await this.seek.append(stayed);
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
      crc = crc32c(bytes.subarray(Math.max(0, from - this.file.byteLength)), crc);
      await this.file.write(bytes);
    }
    return crc;
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
