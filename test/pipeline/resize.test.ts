// The resized form against its definition: Pillow's antialiased triangle resampling of the decoded planes, in double
// precision.
import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { type ResizeOptions, readPixels, unpackCoefficients } from "../../src/native/index.js";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { recordFlags } from "../../src/shards/flags.js";
import { findSample, inspect } from "../../src/shards/inspect.js";
import { restoreJpeg } from "../../src/shards/restore.js";
import { verify } from "../../src/shards/verify.js";
import { sampleEntries } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { psnr, resizedPlanes, spatialPlane } from "../support/reference-view.js";

const kinds = jpegKinds.filter(({ width, height }) => Math.min(width, height) >= 24);
const folder = temporaryFolder({ after });
let source: string;
let whole: PreprocessReport;

before(async () => {
  const entries = kinds.flatMap((kind, i) => {
    return [[`${i}.jpg`, makeJpeg(kind)] as const, [`${i}.cls`, "0"] as const];
  });
  source = await writeTar(path.join(folder, "s.tar"), entries);
  whole = await preprocess({ sources: [source], out: path.join(folder, "whole") });
});

for (const sampling of ["4:2:0", "4:4:4"] as const) {
  for (const crop of [0, 40]) {
    const resize = { shorterSide: 48, crop, quality: 100, sampling };
    test(`${sampling}, crop ${crop}: the planes that Pillow's resize gives, but for quantisation`, async (t) => {
      const small = await preprocess({ sources: [source], out: path.join(folder, `${sampling}-${crop}`), resize });
      assert.deepEqual((await verify(small.manifest)).corrupt, []);
      const { resized, converted } = await inspect(small.manifest);
      assert.deepEqual([resized, converted], [kinds.length, 0]);
      for (const [i, { name }] of kinds.entries()) await t.test(name, () => compare(small.manifest, String(i), resize));
    });
  }
}

/** The sample of both data sets. */
async function compare(manifest: string, key: string, resize: ResizeOptions): Promise<void> {
  const original = await findSample(whole.manifest, key);
  const { sample, codec } = await findSample(manifest, key);
  assert.equal(sample.flags & recordFlags.resized, recordFlags.resized);
  const step = sample.components.length === 3 && resize.sampling === "4:2:0" ? 2 : 1;
  const expected = resizedPlanes({ ...original.sample, codec: original.codec }, resize, step);
  assert.deepEqual([sample.width, sample.height], [expected.width, expected.height]);
  for (const [i, plane] of expected.planes.entries()) {
    const found = spatialPlane({ ...sample, codec }, i);
    const pixels = plane.flatMap((row, y) => row.map((_, x) => found[y]?.[x] as number));
    const quality = psnr(pixels, plane.flat());
    assert.ok(quality > 50, `component ${i}: ${quality.toFixed(1)} dB`);
  }
  // What export writes is a JPEG that libjpeg reads to the same size.
  const decoded = readPixels(restoreJpeg(sample, codec, source), 1e8);
  assert.deepEqual([decoded.width, decoded.height, decoded.warnings], [expected.width, expected.height, 0]);
  assert.ok(unpackCoefficients(sample.packed, sample.components, codec).length > 0);
}

test("resize options are checked, and belong to the data set", async (t) => {
  const folder = temporaryFolder(t);
  const source = await writeTar(path.join(folder, "s.tar"), sampleEntries(3));
  const run = (resize: NonNullable<Parameters<typeof preprocess>[0]["resize"]>) =>
    preprocess({ sources: [source], out: path.join(folder, "out"), resize });
  await rejectsWith("INVALID_OPTION", () => run({ shorterSide: 64, crop: 65 }), /crop/);
  await rejectsWith("INVALID_OPTION", () => run({ shorterSide: 64, quality: 0 }), /quality/);
  await rejectsWith("INVALID_OPTION", () => run({ shorterSide: 1.5 }), /resize/);
  await run({ shorterSide: 64 });
  await rejectsWith("OUTPUT_HOLDS_ANOTHER_DATASET", () => run({ shorterSide: 32 }), /resize/);
});
