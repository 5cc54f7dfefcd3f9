// A record batch in its expanded form: the same samples under codec "none", which takes twice the bytes and a fraction of the time to unpack.
// What a disk cache may hold instead of the batch itself.
import { RecordBatchStreamWriter } from "apache-arrow";
import { type Codec, crc32c, expandPacked } from "../native/index.js";
import { bodilessMessageBytes, parseBatch } from "./reader.js";
import { shardSchema } from "./record.js";
import { RecordBatchBuilder } from "./record-batch.js";

/** CHECKSUM_MISMATCH, CORRUPT_RECORD or CORRUPT_SHARD when the batch is damaged. */
export function expandBatch(codec: Codec, batchBytes: Uint8Array, source: string): Uint8Array {
  const view = parseBatch(codec, batchBytes, source);
  const builder = new RecordBatchBuilder(shardSchema("none"));
  for (let row = 0; row < view.length; row++) {
    const sample = view.sample(row);
    view.checkPacked(sample);
    const packed = expandPacked({ ...sample, codec });
    builder.append({ ...sample, packed, crc32c: crc32c(packed) });
  }
  const writer = new RecordBatchStreamWriter();
  writer.write(builder.build());
  const stream = writer.finish().toUint8Array(true);
  return stream.subarray(bodilessMessageBytes(stream)); // without the schema: readers know it
}
