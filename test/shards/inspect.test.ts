import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { readPixels } from "../../src/native/index.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { findSample, renderSample } from "../../src/shards/inspect.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { makeJpeg } from "../support/jpegs.js";

test("a sample of any size is rendered as libjpeg decodes it, those that are rendered in several parts too", async (t) => {
  const folder = temporaryFolder(t);
  const images = {
    wide: makeJpeg({ name: "wide", width: 16_500, height: 24, channels: 3, quality: 95 }),
    high: makeJpeg({ name: "high", width: 24, height: 2100, channels: 3, quality: 95 }),
    grey: makeJpeg({ name: "grey", width: 50, height: 1030, channels: 1 }),
  };
  const entries = Object.entries(images).flatMap(([key, jpeg]) => [
    [`${key}.jpg`, jpeg] as const,
    [`${key}.cls`, "0"] as const,
  ]);
  const source = await writeTar(path.join(folder, "s.tar"), entries);
  const { manifest } = await preprocess({ sources: [source], out: path.join(folder, "shards"), workers: 1 });
  const wide = await findSample(manifest, "wide");
  await rejectsWith("TOO_MANY_PIXELS", () => renderSample(wide, 16_500 * 24 - 1), /16500 x 24 pixels/);
  for (const [key, jpeg] of Object.entries(images)) {
    const { pixels, width, height, channels } = readPixels(jpeg, 1e8, 0);
    const rgb = renderSample(await findSample(manifest, key));
    assert.equal(rgb.length, width * height * 3);
    let furthest = 0;
    for (let i = 0; i < rgb.length; i++) {
      const expected = pixels[channels === 3 ? i : Math.floor(i / 3)] as number;
      furthest = Math.max(furthest, Math.abs((rgb[i] as number) - expected));
    }
    assert.ok(furthest <= 2, `${key}: off by ${furthest}`);
  }
});
