import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "../../src/pipeline/preprocess/byte-reader.js";
import { cleanPath, splitName } from "../../src/pipeline/preprocess/entry-names.js";
import { groupByKey } from "../../src/pipeline/preprocess/group.js";
import { type Companions, type LabelRules, labelOf } from "../../src/pipeline/preprocess/label-rules.js";
import { isSample, type SourceItem } from "../../src/pipeline/preprocess/sample.js";
import { readTar as readTarFrom } from "../../src/pipeline/preprocess/tar.js";
import type { TarEntry } from "../../src/pipeline/preprocess/tar-entry.js";
import { rejectsWith } from "../support/errors.js";
import { tarBytes } from "../support/files.js";

const noRules: LabelRules = { classes: undefined, classesAreGiven: false, labelField: undefined, byName: undefined };

const reader = (chunks: AsyncIterable<Uint8Array>) => new ByteReader({ open: () => chunks, seekableBytes: undefined });

const readTar = (chunks: AsyncIterable<Uint8Array>, source: string, maxEntryBytes = 1 << 20) =>
  readTarFrom(reader(chunks), source, { maxEntryBytes, wants: () => true });

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect<T>(groups: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = [];
  for await (const group of groups) all.push(...group);
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
  for await (const entries of readTar(counted(), "t")) if (entries.some(({ name }) => name === "2.jpg")) break;
  assert.ok(read < bytes.length);
});

const groups = async (entries: Parameters<typeof tarBytes>[0]): Promise<SourceItem[]> =>
  collect(groupByKey(readTar(inChunks(await tarBytes(entries), 1 << 16), "t"), noRules));

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
    items.map((item) =>
      isSample(item) ? [item.key, item.extension, "index" in item.label] : "problem" in item && item.problem,
    ),
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
  assert.deepEqual(
    items.flatMap((item) => ("ignored" in item ? [item.ignored] : [])),
    ["another field"],
  );
  assert.equal(items.length, 3);
});

test("names split at the last dot of the last part", () => {
  assert.deepEqual(splitName(cleanPath("./a.b//c.d.jpg")), { key: "a.b/c.d", extension: ".jpg" });
  assert.deepEqual(splitName("a.b/c"), { key: "a.b/c", extension: "" });
  assert.deepEqual(splitName(".hidden"), { key: ".hidden", extension: "" });
});

test("labels: .cls before .json, numbers only without classes, and a reason when there is none", () => {
  const label = (companions: Omit<Companions, "entry">) => labelOf({ entry: "a.jpg", ...companions }, noRules);
  assert.deepEqual(label({ cls: "7", json: '{"label":3}' }), { index: 7, name: undefined, synset: undefined });
  assert.deepEqual(label({ json: '{"label":3,"class_name":"dog"}' }), { index: 3, name: "dog", synset: undefined });
  assert.deepEqual(label({ cls: "5", json: "{broken" }), { index: 5, name: undefined, synset: undefined });
  for (const bad of ["-1", "1.5", "cat", "", "99999999999"])
    assert.equal((label({ cls: bad }) as { problem?: string }).problem, "BAD_LABEL", bad);
  assert.equal((label({ json: "{}" }) as { problem?: string }).problem, "MISSING_LABEL");
});

/** A header block with a right checksum. */
function header(name: string, size: number, type: string, change: (block: Buffer) => void = () => {}): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write(type, 156);
  block.write("ustar\x0000", 257, "latin1");
  change(block);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

const padded = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
const member = (name: string, bytes: Uint8Array, type = "0") =>
  Buffer.concat([header(name, bytes.length, type), padded(bytes)]);
const pax = (record: string, type = "x") => {
  const body = ` ${record}\n`;
  const digits = String(body.length + String(body.length + 2).length);
  return member("pax", Buffer.from(digits + body), type);
};
const end = Buffer.alloc(1024);

for (const chunk of [1, 509, 1 << 20]) {
  test(`pax, GNU long names and large sizes, in chunks of ${chunk} bytes`, async () => {
    const long = `${"folder/".repeat(30)}a.jpg`;
    const big = header("big.jpg", 0, "0", (block) => {
      block.fill(0, 124, 136);
      block[124] = 0x80; // a binary size
      block.writeUInt32BE(300, 132);
    });
    const bytes = Buffer.concat([
      pax("comment=of all", "g"),
      pax(`path=${long}`),
      member("short.jpg", image(1, 600)),
      member("././@LongLink", Buffer.from(`${long}x\0`), "L"),
      member("short.jpg", image(2, 10)),
      big,
      padded(image(3, 300)),
      member("folder/", new Uint8Array(0), "5"),
      member("old-folder/", new Uint8Array(0)),
      end,
      member("after-zeros.jpg", image(4, 5)),
      end,
    ]);
    const entries = await collect(readTar(inChunks(bytes, chunk), "t"));
    assert.deepEqual(
      entries.map(({ name, offset, bytes: data }) => [name, offset, data?.length]),
      [
        [long, 1024, 600],
        [`${long}x`, 3584, 10],
        ["big.jpg", 5632, 300],
        ["after-zeros.jpg", 8704, 5],
      ],
    );
  });
}

test("links and sparse files are reported and do not throw the reader out of step", async () => {
  const oldSparse = header("sparse.jpg", 512, "S", (block) => {
    block[482] = 1; // its map goes on in further blocks
  });
  const more = Buffer.alloc(512);
  more[504] = 1;
  const bytes = Buffer.concat([
    header("link.jpg", 700, "2"), // a link's size means nothing
    oldSparse,
    more,
    Buffer.alloc(512),
    padded(image(9, 512)),
    pax("GNU.sparse.name=real.jpg"),
    member("GNUSparseFile.1/real.jpg", image(5, 100)),
    member("good.jpg", image(6, 20)),
    end,
  ]);
  const entries = await collect(readTar(inChunks(bytes, 700), "t"));
  assert.deepEqual(
    entries.map(({ name, problem, bytes: data }) => [name, problem?.code ?? data?.length]),
    [
      ["link.jpg", "UNSUPPORTED_ENTRY"],
      ["sparse.jpg", "UNSUPPORTED_ENTRY"],
      ["real.jpg", "UNSUPPORTED_ENTRY"],
      ["good.jpg", 20],
    ],
  );
});

test("an entry larger than allowed is reported, and not held in memory", async () => {
  const bytes = Buffer.concat([member("big.jpg", image(1, 5000)), member("small.jpg", image(2, 50)), end]);
  const entries = await collect(readTar(inChunks(bytes, 1000), "t", 4000));
  assert.deepEqual(
    entries.map(({ name, problem, bytes: data }) => [name, problem?.code ?? data?.length]),
    [
      ["big.jpg", "ENTRY_TOO_LARGE"],
      ["small.jpg", 50],
    ],
  );
});

test("cut at every block: an error, or every whole entry and word that the end is missing", async () => {
  const inner = Buffer.concat([member("x.jpg", image(3, 600)), end]);
  const bytes = Buffer.concat([
    pax("path=renamed.jpg"),
    member("a.jpg", image(1, 700)),
    member("n01440764.tar", inner),
    member("b.jpg", image(2, 100)),
    end,
  ]);
  // Where whole entries end, and the pax header before one, which promises nothing by itself.
  const borders = [0, 1024, 2560, 2560 + 512 + inner.length, bytes.length - end.length];
  for (let cut = 0; cut <= bytes.length; cut += 512) {
    const read = async () => {
      const entries: TarEntry[] = [];
      const tar = readTar(inChunks(bytes.subarray(0, cut), 509), "t");
      for (let next = await tar.next(); ; next = await tar.next()) {
        if (next.done === true) return { entries: entries.length, terminated: next.value };
        entries.push(...next.value);
      }
    };
    const atBorder = borders.indexOf(cut);
    if (cut > bytes.length - end.length) assert.deepEqual(await read(), { entries: 3, terminated: true });
    else if (atBorder < 0) await rejectsWith("TRUNCATED_TAR", read);
    else assert.deepEqual(await read(), { entries: [0, 0, 1, 2, 3][atBorder], terminated: false }, `cut at ${cut}`);
  }
});

for (const chunk of [1, 509, 1 << 20]) {
  test(`a damaged tar in the tar is one entry with the reason, in chunks of ${chunk} bytes, and those behind it are read`, async () => {
    const whole = Buffer.concat([member("x.jpg", image(3, 600)), member("y.jpg", image(4)), end]);
    const bad = Buffer.from(whole);
    bad[1536 + 10] = 0xff; // in the second header
    const damaged: readonly (readonly [bytes: Uint8Array, entries: number, code: string])[] = [
      [bad, 1, "BAD_TAR"],
      [whole.subarray(0, 1536 + 300), 1, "TRUNCATED_TAR"],
      [whole.subarray(0, 1536 + 512 + 300), 1, "TRUNCATED_TAR"],
      [whole.subarray(0, whole.length - end.length), 2, "TRUNCATED_TAR"],
      [Buffer.concat([member("x.jpg", image(3)), header("pax", 9000, "x")]), 1, "TRUNCATED_TAR"],
      [header("s.jpg", 0, "S", (block) => block.writeUInt8(1, 482)), 0, "TRUNCATED_TAR"],
      [Buffer.from("no tar at all"), 0, "TRUNCATED_TAR"],
      [Buffer.alloc(700, "no tar at all"), 0, "BAD_TAR"],
      [member("deeper.tar", bad), 1, "BAD_TAR"],
    ];
    for (const [i, [inner, count, code]] of damaged.entries()) {
      const bytes = Buffer.concat([member("inner.tar", inner), member("z.jpg", image(5)), end]);
      const entries = await collect(readTar(inChunks(bytes, chunk), "t"));
      const problems = entries.filter(({ problem }) => problem !== undefined);
      assert.equal(problems[0]?.problem?.code, code, `damage ${i}`);
      const last = entries.at(-1);
      assert.deepEqual([last?.name, last?.bytes], ["z.jpg", image(5)]);
      assert.equal(entries.filter(({ bytes: own }) => own !== undefined).length, count + 1, `damage ${i}`);
      const offsets = entries.map(({ offset }) => offset);
      assert.deepEqual(
        offsets,
        [...offsets].sort((a, b) => a - b),
        "in order, for going on from there",
      );
    }
  });
}

test("damaged extension headers are BAD_TAR", async () => {
  const read = (...parts: Uint8Array[]) => collect(readTar(inChunks(Buffer.concat([...parts, end]), 512), "t"));
  await rejectsWith("BAD_TAR", () => read(member("p", Buffer.from("999 path=x\n"), "x")), /impossible length/);
  await rejectsWith("BAD_TAR", () => read(pax("size=many"), member("a.jpg", image(1))), /size is not a number/);
  await rejectsWith("BAD_TAR", () => read(header("p", 2 << 20, "x")), /extension header of/);
});
