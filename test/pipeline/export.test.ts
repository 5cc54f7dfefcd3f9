import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { exportImages } from "../../src/pipeline/export.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { makeDataset, sampleEntries } from "../support/dataset.js";
import { extraData, namesIn, temporaryFolder, writeTar } from "../support/files.js";
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

test("a key that leads out of the folder never becomes a record", async (t) => {
  const folder = temporaryFolder(t);
  const image = makeJpeg(jpegKinds[0] as (typeof jpegKinds)[number]);
  const source = await writeTar(path.join(folder, "s.tar"), [
    ["../../evil.jpg", image],
    ["../../evil.cls", "0"],
    ["good.jpg", image],
    ["good.cls", "0"],
  ]);
  const report = await preprocess({ sources: [source], out: path.join(folder, "out") });
  assert.deepEqual([report.samples, report.errors], [1, { BAD_KEY: 1 }]);
  await exportImages({ manifest: report.manifest, out: path.join(folder, "files") });
  assert.deepEqual(await namesIn(path.join(folder, "files")), ["good.jpg"]);
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
