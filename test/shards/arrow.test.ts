import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  Binary,
  Field,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  vectorFromArray,
} from "apache-arrow";
import { ToolkitError } from "../../src/errors.js";
import { magicBytes, metadataBytes, parseMessage, prefixBytes } from "../../src/shards/arrow/message.js";
import { parseSchema } from "../../src/shards/arrow/schema.js";
import { inspect } from "../../src/shards/inspect.js";
import { type LoadedManifest, readManifest } from "../../src/shards/manifest.js";
import { parseBatch, readShardFile } from "../../src/shards/reader.js";
import { recordFields } from "../../src/shards/record.js";
import { parseSampleIndex } from "../../src/shards/sample-index.js";
import { makeDataset } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";

async function openBytes(folder: string, count = 6) {
  const manifest = await readManifest((await makeDataset(folder, count)).manifest);
  const shard = manifest.shards[0] as LoadedManifest["shards"][number];
  const file = readFileSync(path.join(manifest.folder, shard.name));
  const { offset, byteLength } = shard.batches[0] as (typeof shard.batches)[number];
  const index = readFileSync(path.join(manifest.folder, manifest.index.name));
  return { manifest, shard, file, batch: file.subarray(offset, offset + byteLength), index };
}

test("a shard's own schema says of its columns what the table of columns does", async (t) => {
  const { file } = await openBytes(temporaryFolder(t), 1);
  const length = metadataBytes(file.subarray(magicBytes));
  const metadata = file.subarray(magicBytes + prefixBytes, magicBytes + prefixBytes + length);
  assert.deepEqual(parseSchema(parseMessage(metadata).header).fields, recordFields);
});

/** Anything but an answer or an error of ours. */
function mustAnswer(read: () => unknown, what: string): void {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof ToolkitError, `${what}: ${String((error as Error).stack)}`);
    assert.match(error.code, /^CORRUPT_(SHARD|INDEX|RECORD)$/, what);
  }
}

const extremes = [0, 1, -1, -8, 2 ** 31 - 1, -(2 ** 31), 2 ** 28];

test("every number of the metadata may be anything: an answer or an error, with nothing made or looped by it", async (t) => {
  const { batch, index } = await openBytes(temporaryFolder(t));
  const readAll = (bytes: Buffer) => {
    const view = parseBatch("zstd", bytes, "x");
    for (let row = 0; row < view.length; row++) view.sample(row);
  };
  // Words before the values, and of the index those of the footer as well.
  const sweep = (bytes: Buffer, from: number, to: number, read: (bytes: Buffer) => void) => {
    for (let at = from; at + 4 <= to; at += 2) {
      for (const value of extremes) {
        const changed = Buffer.from(bytes);
        changed.writeInt32LE(value, at);
        mustAnswer(() => read(changed), `${value} at byte ${at}`);
      }
    }
  };
  sweep(Buffer.from(batch), 0, 8 + batch.readInt32LE(4), readAll);
  const readIndex = (bytes: Buffer) => {
    const { length, key } = parseSampleIndex(bytes, "x");
    for (let i = 0; i < length; i++) key(i);
  };
  const copy = Buffer.from(index);
  sweep(copy, 8, 16 + index.readInt32LE(12), readIndex);
  sweep(copy, index.length - 10 - index.readInt32LE(index.length - 10), index.length, readIndex);
});

test("a shard file cut off anywhere in its metadata is CORRUPT_SHARD, or has the batches before the cut", async (t) => {
  const folder = temporaryFolder(t);
  const { file, batch } = await openBytes(folder);
  const cut = path.join(folder, "cut.arrow");
  const read = async () => {
    let rows = 0;
    for await (const view of readShardFile(cut)) rows += view.length;
    return rows;
  };
  for (let length = 0; length < file.length - batch.length; length += 97) {
    writeFileSync(cut, file.subarray(0, length));
    await read().then(
      (rows) => assert.equal(rows, 0, `${length} bytes`),
      (error) => assert.equal((error as ToolkitError).code, "CORRUPT_SHARD", String(error)),
    );
  }
});

test("lengths that promise more than the file holds are refused before memory is taken", async (t) => {
  const folder = temporaryFolder(t);
  const { file, manifest, shard } = await openBytes(folder);
  const [batch] = shard.batches;
  for (const [at, value] of [
    [12, 2 ** 31 - 1],
    [(batch?.offset as number) + 4, 2 ** 31 - 1],
    [12, -8],
  ] as const) {
    const changed = Buffer.from(file);
    changed.writeInt32LE(value, at);
    writeFileSync(path.join(manifest.folder, shard.name), changed);
    await rejectsWith("CORRUPT_SHARD", () => inspect(path.join(manifest.folder, shard.name)));
  }
});

test("a shard that another Arrow program has rewritten, with a column of its own, reads as before", async (t) => {
  const folder = temporaryFolder(t);
  const { file, shard, manifest } = await openBytes(folder, 9);
  const before = await inspect(path.join(manifest.folder, shard.name));
  const table = tableFromIPC(file);
  const more = table.assign(
    new Table({ extra: vectorFromArray(Array.from({ length: table.numRows }, (_, i) => i / 3)) }),
  );
  const rewritten = new Table(new Schema(more.schema.fields, table.schema.metadata), more.batches);
  const other = path.join(folder, "other.arrow");
  const stream = tableToIPC(rewritten, "stream");
  // The writer of files that is at hand leaves out the schema in front.
  writeFileSync(other, Buffer.concat([Buffer.from("ARROW1\0\0"), stream]));
  assert.deepEqual(await inspect(other), before);
});

test("a column of another type and a missing one are named", async (t) => {
  const folder = temporaryFolder(t);
  const { file } = await openBytes(folder);
  const table = tableFromIPC(file);
  const write = async (fields: readonly Field[], columns: number[]) => {
    const data = table.batches[0]?.data.children ?? [];
    const children = columns.map((column) => data[column]);
    const schema = new Schema([...fields], table.schema.metadata);
    const batch = new RecordBatch(
      schema,
      makeData({ type: new Struct([...fields]), length: table.numRows, nullCount: 0, children: children as never[] }),
    );
    const writer = new RecordBatchStreamWriter();
    writer.write(batch);
    writeFileSync(
      path.join(folder, "x.arrow"),
      Buffer.concat([Buffer.from("ARROW1\0\0"), writer.finish().toUint8Array(true)]),
    );
    await inspect(path.join(folder, "x.arrow"));
  };
  const { fields } = table.schema;
  const all = fields.map((_, i) => i);
  await rejectsWith("CORRUPT_SHARD", () => write(fields.slice(1), all.slice(1)), /no column key/);
  const asBytes = [new Field("key", new Binary()), ...fields.slice(1)];
  await rejectsWith("CORRUPT_SHARD", () => write(asBytes, all), /column key is of type binary, expected utf8/);
});
