// Data sets whose files stay in their sources, through the real indexSources and every reader but the loader.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { exportImages } from "../../src/pipeline/export.js";
import { type IndexOptions, indexSources } from "../../src/pipeline/preprocess/index-sources.js";
import type { PreprocessReport } from "../../src/pipeline/preprocess/preprocess.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { findSample, inspect, renderSample } from "../../src/shards/inspect.js";
import { readManifest } from "../../src/shards/manifest.js";
import { restoreJpeg } from "../../src/shards/restore.js";
import { verify } from "../../src/shards/verify.js";
import { sampleEntries, sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { extraData, namesIn, temporaryFolder, writeTar } from "../support/files.js";
import { mixedCounts, mixedEntries, mixedImages, sourceKinds, writeSource } from "../support/indexed.js";

const { stay, stored, failed } = mixedCounts();

/** Names and digests of all files below a folder. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => statSync(path.join(folder, name)).isFile()).sort();
  return Object.fromEntries(files.map((name) => [name, sha256(readFileSync(path.join(folder, name)))]));
}

/** What does not depend on how samples are kept. */
function counted({ samples, failed, errors, ignored, converted, inputBytes }: PreprocessReport) {
  return { samples, failed, errors, ignored, converted, inputBytes };
}

for (const kind of sourceKinds) {
  test(`${kind}: an index has the samples that preprocess stores, and gives the same files`, async (t) => {
    const folder = temporaryFolder(t);
    const options = await writeSource(folder, kind);
    const [out, shards] = [path.join(folder, "index"), path.join(folder, "shards")];
    const report = await indexSources({ ...options, out, workers: 1 });
    const plain = await preprocess({ ...options, out: shards, workers: 1 });
    assert.deepEqual(counted(report), counted(plain));
    const { classes, frequencies } = await readManifest(shards);
    const manifest = await readManifest(out);
    assert.deepEqual([manifest.classes, manifest.frequencies], [classes, frequencies]);
    const copies = kind === "class folders" ? 3 : kind === "tar of tars" ? 2 : 1;
    // Of the odd names one has no URL that its path leads to.
    const odd = kind === "class folders" ? { stay: 2, stored: 1 } : { stay: 0, stored: 0 };
    assert.equal(report.inSources, copies * stay + odd.stay);
    assert.equal(report.samples, copies * (stay + stored) + odd.stay + odd.stored);
    assert.equal(report.failed, copies * failed);

    for (const rebuild of [true, false])
      assert.deepEqual(await verify(out, { rebuild }), { samples: report.samples, shards: report.shards, corrupt: [] });

    const inspected = await inspect(out);
    const { bytes, inSources, ...rest } = inspected;
    const { bytes: _, inSources: none, ...same } = await inspect(shards);
    assert.deepEqual([inSources, none, rest], [report.inSources, 0, same]);
    assert.equal(bytes, report.outputBytes);

    const [a, b] = [path.join(folder, "a"), path.join(folder, "b")];
    const exported = await exportImages({ manifest: out, out: a });
    assert.deepEqual(exported, { ...(await exportImages({ manifest: shards, out: b })), out: a });
    assert.equal(exported.refused, 0);
    assert.deepEqual(await filesIn(a), await filesIn(b));
    await exportImages({ manifest: out, out: `${a}.tar` });
    await exportImages({ manifest: shards, out: `${b}.tar` });
    assert.deepEqual(readFileSync(`${a}.tar`), readFileSync(`${b}.tar`));
  });
}

test("exported files are the originals, byte for byte", async (t) => {
  const folder = temporaryFolder(t);
  const { manifest } = await indexSources({ ...(await writeSource(folder, "tar")), out: path.join(folder, "index") });
  const out = path.join(folder, "files");
  const { exported, byteExact } = await exportImages({ manifest, out });
  assert.deepEqual([exported, byteExact], [stay + stored, stay + stored - 3]);
  for (const [name, content] of mixedImages()) {
    if (/cmyk|rgb|png|text/.test(name)) continue;
    assert.deepEqual(new Uint8Array(readFileSync(path.join(out, name))), new Uint8Array(content), name);
  }
});

test("a sample that stayed is found, rendered and restored as the one that was stored", async (t) => {
  const folder = temporaryFolder(t);
  const options = await writeSource(folder, "class folders");
  const { manifest } = await indexSources({ ...options, out: path.join(folder, "index") });
  const shards = await preprocess({ ...options, out: path.join(folder, "shards") });
  for (const key of ["cat/0001", "cat/0005", "dög #1%20?/0008", "cat/a b'c.v2", "cat/0000-progressive"]) {
    const [found, plain] = [await findSample(manifest, key), await findSample(shards.manifest, key)];
    assert.deepEqual(renderSample(found), renderSample(plain), key);
    const restored = [found, plain].map(({ sample, codec }) => restoreJpeg(sample, codec, key));
    assert.deepEqual(restored[0], restored[1], key);
  }
  const shard = path.join(path.dirname(manifest), "shard-00000-00000.arrow");
  assert.equal((await inspect(shard)).inSources, 3 * stay + 2);
  await rejectsWith("INVALID_ARGUMENT", () => findSample(shard, "cat/0001"), /give that instead of the shard/);
  await rejectsWith("TOO_MANY_PIXELS", () => findSample(manifest, "cat/0001", 100));
});

/** Two tars of several shards each. */
async function twoTars(folder: string): Promise<string[]> {
  return Promise.all(
    ["a", "b"].map((name, i) => writeTar(path.join(folder, `${name}.tar`), [...mixedEntries(2 + i), ...more(name)])),
  );
}

const more = (name: string) => sampleEntries(60, `${name}/more`).filter(([entry]) => !entry.endsWith(".json"));

const small: Partial<IndexOptions> = { maxShardBytes: 20_000, workers: 1 };

test("an interrupted run goes on to the same bytes, as do any number of workers and two ranks with a merge", async (t) => {
  const folder = temporaryFolder(t);
  const sources = await twoTars(folder);
  const whole = path.join(folder, "whole");
  const report = await indexSources({ sources, out: whole, ...small });
  assert.ok(report.shards > 5, `${report.shards} shards`);
  const expected = await filesIn(whole);

  const out = path.join(folder, "out");
  const stop = new AbortController();
  const onProgress = ({ samples }: { readonly samples: number }) => {
    if (samples > report.samples / 2) stop.abort(new Error("enough"));
  };
  await assert.rejects(indexSources({ sources, out, ...small, onProgress, signal: stop.signal }), /enough/);
  const left = await namesIn(out);
  assert.ok(!left.includes("manifest.json") && left.some((name) => name.endsWith(".seek")), left.join());
  await indexSources({ sources, out, ...small });
  assert.deepEqual(await filesIn(out), expected);
  assert.equal((await indexSources({ sources, out, ...small })).alreadyDone, true);

  const many = path.join(folder, "many");
  await indexSources({ sources, out: many, ...small, workers: 3 });
  assert.deepEqual(await filesIn(many), expected);

  const ranks = path.join(folder, "ranks");
  for (const rank of [0, 1]) await indexSources({ sources, out: ranks, ...small, rank, worldSize: 2 });
  const merged = await indexSources({ sources, out: ranks, ...small, merge: true, worldSize: 2 });
  assert.deepEqual([merged.complete, merged.inSources], [true, report.inSources]);
  assert.deepEqual(
    Object.entries(await filesIn(ranks)).filter(([name]) => !name.startsWith(".")),
    Object.entries(expected),
  );
});

test("a folder that holds another job's data set is refused, and replaced with overwrite", async (t) => {
  const folder = temporaryFolder(t);
  const { sources } = await writeSource(folder, "tar");
  const out = path.join(folder, "out");
  await preprocess({ sources, out });
  const refused = (fails: () => unknown, why: RegExp) => rejectsWith("OUTPUT_HOLDS_ANOTHER_DATASET", fails, why);
  await refused(() => indexSources({ sources, out }), /it holds coefficients/);
  await indexSources({ sources, out, overwrite: true });
  await refused(() => preprocess({ sources, out }), /it holds an index/);
  await refused(() => indexSources({ sources, out, orient: "apply" }), /it was made with orient "ignore"/);
  await preprocess({ sources, out, overwrite: true });
  assert.deepEqual(
    readdirSync(out).filter((name) => name.endsWith(".seek")),
    [],
  );
  assert.deepEqual((await verify(out)).corrupt, []);
});

for (const source of extraData("imagenet-wds-000000.tar", "imagenet-official-nested.tar")) {
  test(`${path.basename(source)}: every original comes back`, async (t) => {
    const folder = temporaryFolder(t);
    const { manifest, samples } = await indexSources({ sources: [source], out: path.join(folder, "index") });
    assert.deepEqual((await verify(manifest)).corrupt, []);
    const { exported, byteExact } = await exportImages({ manifest, out: path.join(folder, "all.tar") });
    assert.deepEqual([exported, byteExact], [samples, samples]);
  });
}
