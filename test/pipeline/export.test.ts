import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { PNG } from "pngjs";
import { crc32c } from "../../src/native/index.js";
import { exportImages } from "../../src/pipeline/export.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { recordFlags } from "../../src/shards/flags.js";
import type { SampleRecord } from "../../src/shards/record.js";
import { makeDataset, sampleEntries } from "../support/dataset.js";
import { extraData, namesIn, temporaryFolder, writeTar } from "../support/files.js";
import { forgeDataset, readRecords } from "../support/forge.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";

test("every file comes back byte for byte, kept raw or rebuilt, into a folder", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest, entries } = await makeDataset(folder, 48);
  const out = path.join(folder, "files");
  const report = await exportImages({ manifest, out });
  assert.deepEqual([report.exported, report.byteExact, report.renamed], [48, 48, 0]);
  const images = entries.filter(([name]) => name.endsWith(".jpg"));
  assert.deepEqual(
    await namesIn(out),
    images.map(([name]) => name),
  );
  for (const [name, content] of images)
    assert.deepEqual(new Uint8Array(readFileSync(path.join(out, name))), content, name);
});

test("a truncated JPEG comes back truncated", async (t) => {
  const folder = temporaryFolder(t);
  const cut = makeJpeg(jpegKinds[2] as (typeof jpegKinds)[number]).slice(0, 900);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ["a.jpg", cut],
    ["a.cls", "0"],
  ]);
  const { manifest } = await preprocess({ sources: [source], out: path.join(folder, "out") });
  await exportImages({ manifest, out: path.join(folder, "files") });
  assert.deepEqual(new Uint8Array(readFileSync(path.join(folder, "files", "a.jpg"))), cut);
});

test("a tar is exported with labels and JSON, and preprocesses to the same records again", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 20);
  const tar = path.join(folder, "again.tar");
  await exportImages({ manifest, out: tar });
  const again = await preprocess({ sources: [tar], out: path.join(folder, "again") });
  const shard = (place: string) => readFileSync(path.join(place, "shard-00000-00000.arrow"));
  assert.deepEqual(shard(path.dirname(again.manifest)), shard(path.dirname(manifest)));
});

test("samples of the same name in several tars all come out", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await Promise.all(
    ["a", "b"].map((name) => writeTar(path.join(folder, `${name}.tar`), sampleEntries(3))),
  );
  const { manifest } = await preprocess({ sources, out: path.join(folder, "out") });
  const report = await exportImages({ manifest, out: path.join(folder, "files") });
  assert.deepEqual([report.exported, report.renamed], [6, 3]);
  assert.equal((await namesIn(path.join(folder, "files"))).length, 6);
});

test("a name that no record may have never becomes one", async (t) => {
  const folder = temporaryFolder(t);
  const image = makeJpeg(jpegKinds[0] as (typeof jpegKinds)[number]);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ["../../evil.jpg", image],
    ["../../evil.cls", "0"],
    [`long.${"x".repeat(64)}`, image],
    ["long.cls", "0"],
    ["good.jpg", image],
    ["good.cls", "0"],
  ]);
  const report = await preprocess({ sources: [source], out: path.join(folder, "out") });
  assert.deepEqual([report.samples, report.errors], [1, { BAD_KEY: 2 }]);
  await exportImages({ manifest: report.manifest, out: path.join(folder, "files") });
  assert.deepEqual(await namesIn(path.join(folder, "files")), ["good.jpg"]);
});

test("a record whose key or extension leads out of the folder is left out, and no other", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 8);
  const records = await readRecords(manifest);
  const [first, second, third, fourth] = records as [SampleRecord, SampleRecord, SampleRecord, SampleRecord];
  const raw = new TextEncoder().encode("ssh-ed25519 a key\n");
  const text = { raw, imageCrc32c: crc32c(raw), flags: recordFlags.rawStored };
  const forged = await forgeDataset(manifest, path.join(folder, "forged"), [
    { ...first, key: "../../evil" },
    { ...second, extension: "/../../../evil.jpg" },
    { ...third, ...text, key: "text" },
    { ...fourth, key: "%2e%2e/%2e%2e/fine" },
    ...records.slice(4),
  ]);
  for (const out of [path.join(folder, "a", "b", "files"), pathToFileURL(path.join(folder, "c", "d", "files")).href]) {
    const report = await exportImages({ manifest: forged, out });
    assert.deepEqual([report.exported, report.refused], [5, 3]);
    assert.deepEqual(
      report.refusals.map(({ code, key }) => [code, key]),
      [
        ["CORRUPT_RECORD", "../../evil"],
        ["CORRUPT_RECORD", "s0001"],
        ["CORRUPT_RECORD", "text"],
      ],
    );
  }
  const expected = ["%2e%2e", ...[4, 5, 6, 7].map((i) => `s000${i}.jpg`)];
  for (const place of ["a/b", "c/d"]) {
    assert.deepEqual(await namesIn(path.join(folder, place)), ["files"]);
    assert.deepEqual(await namesIn(path.join(folder, place, "files")), expected);
  }
  const tar = await exportImages({ manifest: forged, out: path.join(folder, "all.tar") });
  assert.deepEqual([tar.exported, tar.refused], [5, 3]);
});

test("a file and a folder of one name both come out, by the rule that the later one is numbered", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 6);
  const keys = ["a", "a.jpg/b", "c.jpg/d", "c", "a.jpg/e", "a"];
  const records = (await readRecords(manifest)).map((record, i) => ({ ...record, key: keys[i] as string }));
  const forged = await forgeDataset(manifest, path.join(folder, "forged"), records);
  const out = path.join(folder, "files");
  const report = await exportImages({ manifest: forged, out });
  assert.deepEqual([report.exported, report.renamed, report.refused], [6, 4, 0]);
  const names = (await readdir(out, { recursive: true })).sort();
  assert.deepEqual(names, [
    "a.jpg",
    "a.jpg~2",
    "a.jpg~2/b.jpg",
    "a.jpg~2/e.jpg",
    "a~2.jpg",
    "c.jpg",
    "c.jpg/d.jpg",
    "c~2.jpg",
  ]);
});

test("what was converted to JPEG is called so, and its record keeps what it was called", async (t) => {
  const folder = temporaryFolder(t);
  const png = new PNG({ width: 40, height: 30 });
  png.data.fill(200);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ["a.jpg", makeJpeg(jpegKinds[0] as (typeof jpegKinds)[number])],
    ["a.cls", "0"],
    ["b.PNG", PNG.sync.write(png)],
    ["b.cls", "1"],
    ["c.JPEG", makeJpeg(jpegKinds[1] as (typeof jpegKinds)[number])],
    ["c.cls", "1"],
  ]);
  const { manifest } = await preprocess({ sources: [source], out: path.join(folder, "out") });
  const report = await exportImages({ manifest, out: path.join(folder, "files") });
  assert.deepEqual([report.exported, report.byteExact, report.retyped, report.renamed], [3, 2, 1, 0]);
  assert.deepEqual(await namesIn(path.join(folder, "files")), ["a.jpg", "b.jpg", "c.JPEG"]);
  assert.deepEqual(
    (await readRecords(manifest)).map(({ extension }) => extension),
    [".jpg", ".PNG", ".JPEG"],
  );
  const tar = path.join(folder, "again.tar");
  await exportImages({ manifest, out: tar });
  assert.equal((await preprocess({ sources: [tar], out: path.join(folder, "again") })).samples, 3);
});

test("nothing is written through links that lie in the output folder", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 3);
  const keys = ["linked/x", "plain/x", "file"];
  const records = (await readRecords(manifest)).map((record, i) => ({ ...record, key: keys[i] as string }));
  const forged = await forgeDataset(manifest, path.join(folder, "forged"), records);
  const [out, elsewhere] = [path.join(folder, "files"), path.join(folder, "elsewhere")];
  mkdirSync(out);
  mkdirSync(elsewhere);
  writeFileSync(path.join(elsewhere, "kept.txt"), "kept");
  symlinkSync(elsewhere, path.join(out, "linked"));
  symlinkSync(path.join(elsewhere, "kept.txt"), path.join(out, "file.jpg"));
  const report = await exportImages({ manifest: forged, out });
  assert.deepEqual([report.exported, report.refusals.map(({ code }) => code)], [2, ["OUTPUT_NOT_WRITABLE"]]);
  assert.deepEqual(await namesIn(elsewhere), ["kept.txt"]);
  assert.equal(readFileSync(path.join(elsewhere, "kept.txt"), "utf8"), "kept");
  assert.deepEqual(await namesIn(path.join(out, "plain")), ["x.jpg"]);
});

test("a name that is too long for the disk stops one file", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await makeDataset(folder, 2);
  const keys = ["k".repeat(255), "short"];
  const records = (await readRecords(manifest)).map((record, i) => ({ ...record, key: keys[i] as string }));
  const forged = await forgeDataset(manifest, path.join(folder, "forged"), records);
  const report = await exportImages({ manifest: forged, out: path.join(folder, "files") });
  assert.deepEqual([report.exported, report.refusals.map(({ code }) => code)], [1, ["OUTPUT_NOT_WRITABLE"]]);
});

test("real ImageNet files, where they are at hand, come back byte for byte and within 1.12 times their size", async (t) => {
  const sources = extraData("imagenet-wds-000000.tar");
  const folder = temporaryFolder(t);
  // Without them the same is checked on generated files, whose small headers weigh more.
  const own = sources.length > 0 ? sources : [await writeTar(path.join(folder, "s.tar"), sampleEntries(32))];
  const report = await preprocess({ sources: own, out: path.join(folder, "out") });
  const exported = await exportImages({ manifest: report.manifest, out: path.join(folder, "all.tar") });
  assert.equal(exported.byteExact, report.samples);
  if (sources.length > 0)
    assert.ok(report.outputBytes <= 1.12 * report.inputBytes, `${report.outputBytes / report.inputBytes}`);
});
