// Every kind of source and label, through the real preprocess.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { readManifest } from "../../src/shards/manifest.js";
import { readShard } from "../../src/shards/reader.js";
import type { SampleRecord } from "../../src/shards/record.js";
import { verify } from "../../src/shards/verify.js";
import { sampleEntries } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { extraData, type TarEntries, tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";

const kind = jpegKinds[0] as (typeof jpegKinds)[number];
const jpeg = (seed: number) => makeJpeg(kind, seed);

async function records(manifestUrl: string): Promise<SampleRecord[]> {
  const manifest = await readManifest(manifestUrl);
  const all: SampleRecord[] = [];
  for (const shard of manifest.shards)
    for await (const batch of readShard(manifest, shard))
      for (let row = 0; row < batch.length; row++) all.push(batch.sample(row));
  return all;
}

/** `key: label` of everything, in order. */
async function labels(out: string): Promise<Record<string, number>> {
  return Object.fromEntries((await records(out)).map(({ key, label }) => [key, label]));
}

/** Official ImageNet in small: a tar of one tar per synset. */
async function nestedTar(synsets: readonly string[], each = 2): Promise<TarEntries> {
  return Promise.all(
    synsets.map(async (synset, s) => {
      const images = Array.from({ length: each }, (_, i) => [`${synset}_${i}.JPEG`, jpeg(10 * s + i)] as const);
      return [`${synset}.tar`, await tarBytes(images)] as const;
    }),
  );
}

const synsets = ["n02110341", "n01440764", "n03888257"];

test("a tar of synset tars: streamed in place, classes by sorted synset", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "train.tar"), await nestedTar(synsets));
  const report = await preprocess({ sources: [source], out: path.join(folder, "out") });
  assert.deepEqual([report.samples, report.failed], [6, 0]);
  assert.deepEqual(await labels(report.manifest), {
    "n02110341/n02110341_0": 1,
    "n02110341/n02110341_1": 1,
    "n01440764/n01440764_0": 0,
    "n01440764/n01440764_1": 0,
    "n03888257/n03888257_0": 2,
    "n03888257/n03888257_1": 2,
  });
  const { classes } = await readManifest(report.manifest);
  assert.deepEqual(classes, [
    { index: 0, synset: "n01440764" },
    { index: 1, synset: "n02110341" },
    { index: 2, synset: "n03888257" },
  ]);
});

test("a classes file makes runs over parts of a data set agree, whatever its form", async (t) => {
  const folder = temporaryFolder(t);
  const forms = {
    "classes.txt": "n01440764 tench, Tinca tinca\nn02110341 dalmatian\nn03888257 parachute, chute\n",
    "classes.json": '[["n01440764","tench, Tinca tinca"],["n02110341","dalmatian"],["n03888257","parachute, chute"]]',
    "keras.json":
      '{"0":["n01440764","tench, Tinca tinca"],"1":["n02110341","dalmatian"],"2":["n03888257","parachute, chute"]}',
  };
  const part = await writeTar(path.join(folder, "n03888257.tar"), [["n03888257_9.JPEG", jpeg(1)]]);
  const seen = [];
  for (const [name, text] of Object.entries(forms)) {
    writeFileSync(path.join(folder, name), text);
    const out = path.join(folder, `out-${name}`);
    const report = await preprocess({ sources: [part], out, classes: path.join(folder, name) });
    assert.deepEqual(await labels(report.manifest), { n03888257_9: 2 });
    seen.push((await readManifest(report.manifest)).classes);
  }
  assert.deepEqual(seen[0]?.[2], { index: 2, synset: "n03888257", name: "parachute, chute" });
  assert.deepEqual(seen[1], seen[0]);
  assert.deepEqual(seen[2], seen[0]);
  writeFileSync(path.join(folder, "twice.txt"), "cat\ndog\ncat\n");
  const run = (classes: string) =>
    preprocess({ sources: [part], out: path.join(folder, "x"), classes: path.join(folder, classes) });
  await rejectsWith("BAD_CLASSES", () => run("twice.txt"), /cat twice/);
  await rejectsWith("NOT_FOUND", () => run("none.txt"));
  writeFileSync(path.join(folder, "other.txt"), "n01440764\n");
  await rejectsWith(
    "NO_SAMPLES",
    () => run("other.txt"),
    /BAD_LABEL: expected a class index or one of the classes' names/,
  );
});

test("a flat tar with a labels file: by name order, or by name", async (t) => {
  const folder = temporaryFolder(t);
  // Not in name order in the tar, as the official validation tar is not in every mirror.
  const names = ["val_3.JPEG", "val_1.JPEG", "val_2.JPEG"];
  const source = await writeTar(
    path.join(folder, "val.tar"),
    names.map((name, i) => [name, jpeg(i)] as const),
  );
  const run = async (text: string, name: string) => {
    writeFileSync(path.join(folder, name), text);
    return preprocess({ sources: [source], out: path.join(folder, `out-${name}`), labels: path.join(folder, name) });
  };
  const expected = { val_3: 30, val_1: 10, val_2: 20 };
  assert.deepEqual(await labels((await run("10\n20\n30\n", "lines.txt")).manifest), expected);
  const csv = "name,label\nval_1.JPEG,10\nval_2,20\nsome/folder/val_3.JPEG,30\n";
  assert.deepEqual(await labels((await run(csv, "named.csv")).manifest), expected);
  await rejectsWith("BAD_LABELS", () => run("10\n20\n", "short.txt"), /2 labels for 3 images/);
  await rejectsWith("BAD_LABELS", () => run("val_1,1\nval_1,2\n", "twice.csv"), /line 2: val_1 is named twice/);
  const partial = await run("val_1,1\nval_2,2\n", "partial.csv");
  assert.deepEqual(partial.errors, { MISSING_LABEL: 1 });
});

test("labels from .txt, from a field of .json, and by class name", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "classes.txt"), "cat\ndog\n");
  const run = async (entries: TarEntries, name: string, options: Partial<PreprocessOptions> = {}) => {
    const source = await writeTar(path.join(folder, `${name}.tar`), entries);
    return preprocess({ sources: [source], out: path.join(folder, name), ...options });
  };
  const text = await run(
    [
      ["a.jpg", jpeg(1)],
      ["a.txt", "1\n"],
      ["README.txt", "about this tar"],
    ],
    "txt",
  );
  assert.deepEqual([await labels(text.manifest), text.failed], [{ a: 1 }, 0]);
  const caption = await run(
    [
      ["a.jpg", jpeg(1)],
      ["a.txt", "a cat on a mat"],
      ["a.json", '{"label":3}'],
    ],
    "caption",
  );
  assert.deepEqual(await labels(caption.manifest), { a: 3 });
  const field = await run(
    [
      ["a.jpg", jpeg(1)],
      ["a.json", '{"label":3,"meta":{"class":"dog"}}'],
    ],
    "field",
    {
      labelField: "meta.class",
      classes: path.join(folder, "classes.txt"),
    },
  );
  assert.deepEqual(await labels(field.manifest), { a: 1 });
  await rejectsWith("NO_LABELS", () =>
    run(
      [
        ["a.jpg", jpeg(1)],
        ["a.json", "{}"],
      ],
      "none",
      { labelField: "kind" },
    ),
  );
});

test("class folders and synset tars number their classes over all sources together", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["dog", "ant"]) mkdirSync(path.join(folder, "root", name), { recursive: true });
  writeFileSync(path.join(folder, "root", "dog", "1.jpg"), jpeg(1));
  writeFileSync(path.join(folder, "root", "ant", "2.png"), "no image");
  const tar = await writeTar(path.join(folder, "n01440764.tar"), [["x.JPEG", jpeg(2)]]);
  const report = await preprocess({ sources: [path.join(folder, "root"), tar], out: path.join(folder, "out") });
  assert.deepEqual(await labels(report.manifest), { "dog/1": 1, x: 2 });
  assert.deepEqual(report.errors, { NOT_A_JPEG: 1 });
  assert.equal(
    (await readManifest(report.manifest)).classes.length,
    3,
    "a class without a good image is one all the same",
  );
});

test(".tar.gz gives the same samples as .tar; damaged ones say so", async (t) => {
  const folder = temporaryFolder(t);
  const entries = sampleEntries(12);
  const plain = await writeTar(path.join(folder, "s.tar"), entries);
  const packed = gzipSync(readFileSync(plain));
  const run = (name: string, bytes: Uint8Array) => {
    writeFileSync(path.join(folder, name), bytes);
    return preprocess({ sources: [path.join(folder, name)], out: path.join(folder, `out-${name}`) });
  };
  const expected = await preprocess({ sources: [plain], out: path.join(folder, "out") });
  const found = await run("s.tar.gz", packed);
  assert.deepEqual(await records(found.manifest), await records(expected.manifest));
  await rejectsWith("TRUNCATED_TAR", () => run("cut.tgz", packed.subarray(0, packed.length - 2000)));
  const broken = Buffer.from(packed);
  broken.fill(0x55, 2000, 2400);
  await rejectsWith("BAD_TAR", () => run("bad.tar.gz", broken));
});

const originals = extraData("imagenet-official-nested.tar");
for (const source of originals) {
  test("real ImageNet originals in a tar of tars: all there, every record good", async (t) => {
    const report = await preprocess({ sources: [source], out: path.join(temporaryFolder(t), "out") });
    assert.deepEqual([report.samples, report.failed, report.converted], [100, 0, 0]);
    assert.deepEqual((await verify(report.manifest)).corrupt, []);
    assert.equal((await readManifest(report.manifest)).classes.length, 100);
  });
}
