// Image files on their way to a network: in order, and without more of them in memory than a bound allows.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { imageBatches } from "../../src/pipeline/direct/image-batches.js";
import { type ImagePlace, readImages } from "../../src/pipeline/direct/image-files.js";
import { temporaryFolder } from "../support/files.js";
import { makeJpeg } from "../support/jpegs.js";

const jpeg = makeJpeg({ name: "direct", width: 32, height: 24, channels: 3 });

test("large files are read when it is their turn: all come, in order, and those above the limit are failures", async (t) => {
  const folder = temporaryFolder(t);
  const sizes = [100, 5 << 20, 200, 6 << 20, 9 << 20, 300];
  async function* places(): AsyncGenerator<ImagePlace> {
    for (const [i, size] of sizes.entries()) {
      const url = path.join(folder, `${i}.jpg`);
      writeFileSync(url, Buffer.alloc(size, i));
      yield { url, kind: "file" };
    }
  }
  const found: (number | string | undefined)[] = [];
  for await (const { name, bytes, error } of readImages(places(), { maxImageBytes: 8 << 20 })) {
    assert.equal(path.basename(name), `${found.length}.jpg`);
    if (bytes !== undefined) assert.equal(bytes[0], found.length);
    found.push(bytes?.length ?? error?.code);
  }
  assert.deepEqual(found, [100, 5 << 20, 200, 6 << 20, "ENTRY_TOO_LARGE", 300]);
});

test("a batch of large files holds fewer of them", async () => {
  // Whatever follows a JPEG's end is no part of the image.
  const large = Buffer.concat([jpeg, Buffer.alloc(40 << 20)]);
  async function* files() {
    for (const [i, bytes] of [jpeg, large, large, large, jpeg].entries())
      yield { name: `${i}`, bytes, error: undefined };
  }
  const view = { kind: "rgb", size: 16, augment: "none" } as const;
  const batches: string[][] = [];
  for await (const { names, errors, release } of imageBatches(files(), { view, batchSize: 32, workers: 1 })) {
    assert.deepEqual(
      errors.filter((error) => error !== undefined),
      [],
    );
    batches.push([...names]);
    release();
  }
  assert.deepEqual(batches, [
    ["0", "1", "2"],
    ["3", "4"],
  ]);
});
