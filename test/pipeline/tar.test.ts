import assert from "node:assert/strict";
import { test } from "node:test";
import { groupByKey, splitName } from "../../src/pipeline/preprocess/group.js";
import { parseLabel } from "../../src/pipeline/preprocess/labels.js";
import { isSample, type RawSample, type SourceProblem } from "../../src/pipeline/preprocess/sample.js";
import { readTar } from "../../src/pipeline/preprocess/tar.js";
import { rejectsWith } from "../support/errors.js";
import { tarBytes } from "../support/files.js";

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const image = (fill: number, size = 700) => new Uint8Array(size).fill(fill);
const longName = `${"deep/".repeat(40)}image.jpg`;

for (const chunk of [1, 509, 1 << 20]) {
  test(`a tar read in chunks of ${chunk} bytes gives its files, whole and in buffers of their own`, async () => {
    const bytes = await tarBytes([
      ["a.jpg", image(1)],
      [longName, image(2, 513)],
      ["empty.jpg", ""],
      ["a.cls", "3"],
    ]);
    const entries = await collect(readTar(inChunks(bytes, chunk), "t"));
    assert.deepEqual(
      entries.map(({ name, byteLength }) => [name, byteLength]),
      [
        ["a.jpg", 700],
        [longName, 513],
        ["empty.jpg", 0],
        ["a.cls", 1],
      ],
    );
    assert.ok(
      entries.every((entry) => entry.bytes?.byteOffset === 0 && entry.bytes.buffer.byteLength === entry.byteLength),
    );
  });
}

test("a tar cut anywhere inside its entries is TRUNCATED_TAR", async () => {
  const bytes = await tarBytes([
    ["a.jpg", image(1)],
    ["b.jpg", image(2)],
  ]);
  const entryBytes = 512 + 1024;
  for (const cut of [
    1,
    100,
    511,
    513,
    700,
    1024,
    1500,
    entryBytes + 1,
    entryBytes + 512,
    entryBytes + 900,
    2 * entryBytes - 1,
  ]) {
    await rejectsWith(
      "TRUNCATED_TAR",
      () => collect(readTar(inChunks(bytes.subarray(0, cut), 400), "t.tar")),
      /t\.tar/,
    ).catch((error) => {
      throw new Error(`cut at ${cut}: ${(error as Error).message}`);
    });
  }
  assert.equal(
    (await collect(readTar(inChunks(bytes.subarray(0, 2 * entryBytes), 400), "t"))).length,
    2,
    "only the end marker is missing: GNU tar reads those too",
  );
});

test("what is no tar is BAD_TAR; an error of the bytes themselves is passed on", async () => {
  await rejectsWith("BAD_TAR", () => collect(readTar(inChunks(image(65, 2048), 512), "t")));
  const failure = new Error("disk on fire");
  async function* failing() {
    yield new Uint8Array(0);
    throw failure;
  }
  await assert.rejects(collect(readTar(failing(), "t")), /disk on fire/);
});

test("leaving early does not hang and does not read on", async () => {
  const bytes = await tarBytes(Array.from({ length: 50 }, (_, i) => [`${i}.jpg`, image(i, 5000)] as const));
  let read = 0;
  async function* counted() {
    for await (const chunk of inChunks(bytes, 1000)) {
      read += chunk.length;
      yield chunk;
    }
  }
  for await (const entry of readTar(counted(), "t")) if (entry.name === "2.jpg") break;
  assert.ok(read < bytes.length);
});

const groups = async (entries: Parameters<typeof tarBytes>[0]): Promise<(RawSample | SourceProblem)[]> =>
  collect(groupByKey(readTar(inChunks(await tarBytes(entries), 1 << 16), "t")));

test("neighbouring entries of one key are a sample, whatever their order and the case of the extension", async () => {
  const items = await groups([
    ["x/a.json", '{"name":"cat","wnid":"n00000001"}'],
    ["x/a.cls", " 4\n"],
    ["x/a.JPEG", image(1)],
    ["b.jpeg", image(2)],
    ["b.cls", "0"],
    ["b.txt", "ignored"],
  ]);
  const samples = items.filter(isSample);
  assert.deepEqual(
    samples.map(({ key, extension, label }) => [key, extension, label]),
    [
      ["x/a", ".JPEG", { index: 4, name: "cat", synset: "n00000001" }],
      ["b", ".jpeg", { index: 0, name: undefined, synset: undefined }],
    ],
  );
  assert.equal(items.length, 2);
});

test("a label without image is reported; two images of one name are two samples", async () => {
  const items = await groups([
    ["lost.cls", "1"],
    ["a.jpg", image(1)],
    ["a.jpeg", image(2)],
    ["a.cls", "1"],
  ]);
  assert.deepEqual(
    items.map((item) => (isSample(item) ? [item.key, item.extension, "index" in item.label] : item.problem)),
    ["MISSING_IMAGE", ["a", ".jpg", false], ["a", ".jpeg", true]],
  );
});

test("an image of another format is a sample of its own only where there is no JPEG", async () => {
  const items = await groups([
    ["a.png", image(1)],
    ["a.jpg", image(2)],
    ["a.cls", "1"],
    ["b.webp", image(3)],
    ["b.cls", "1"],
  ]);
  assert.deepEqual(
    items.filter(isSample).map(({ key, extension }) => key + extension),
    ["a.jpg", "b.webp"],
  );
  assert.equal(items.length, 2);
});

test("names split at the last dot of the last part", () => {
  assert.deepEqual(splitName("./a.b/c.d.jpg"), { key: "a.b/c.d", extension: ".jpg" });
  assert.deepEqual(splitName("a.b/c"), { key: "a.b/c", extension: "" });
  assert.deepEqual(splitName(".hidden"), { key: ".hidden", extension: "" });
});

test("labels: .cls before .json, numbers only, and a reason when there is none", () => {
  assert.deepEqual(parseLabel("7", '{"label":3}'), { index: 7, name: undefined, synset: undefined });
  assert.deepEqual(parseLabel(undefined, '{"label":3,"class_name":"dog"}'), {
    index: 3,
    name: "dog",
    synset: undefined,
  });
  assert.deepEqual(parseLabel("5", "{broken"), { index: 5, name: undefined, synset: undefined });
  for (const bad of ["-1", "1.5", "cat", "", "99999999999"])
    assert.ok(
      "problem" in parseLabel(bad, undefined) &&
        (parseLabel(bad, undefined) as { problem: string }).problem === "BAD_LABEL",
      bad,
    );
  assert.equal((parseLabel(undefined, "{}") as { problem: string }).problem, "MISSING_LABEL");
});
