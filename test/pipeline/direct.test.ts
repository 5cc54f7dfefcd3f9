// Image files on their way to a network: in order, and without more of them in memory than a bound allows.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { imageBatches } from "../../src/pipeline/direct/image-batches.js";
import { findImages, type ImageLocation, readImages } from "../../src/pipeline/direct/image-files.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { expandPatterns } from "../../src/storage/expand.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { rejectsWith } from "../support/errors.js";
import { tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { makeJpeg } from "../support/jpegs.js";
import { logIn, S3Server } from "../support/s3-server.js";

const jpeg = makeJpeg({ name: "direct", width: 32, height: 24, channels: 3 });

test("large files are read when it is their turn: all come, in order, and those above the limit are failures", async (t) => {
  const folder = temporaryFolder(t);
  const sizes = [100, 5 << 20, 200, 6 << 20, 9 << 20, 300];
  async function* locations(): AsyncGenerator<ImageLocation> {
    for (const [i, size] of sizes.entries()) {
      const url = path.join(folder, `${i}.jpg`);
      writeFileSync(url, Buffer.alloc(size, i));
      yield { url, kind: "file" };
    }
  }
  const found: (number | string | undefined)[] = [];
  for await (const { name, bytes, error } of readImages(locations(), { maxImageBytes: 8 << 20 })) {
    assert.equal(path.basename(name), `${found.length}.jpg`);
    if (bytes !== undefined) assert.equal(bytes[0], found.length);
    found.push(bytes?.length ?? error?.code);
  }
  assert.deepEqual(found, [100, 5 << 20, 200, 6 << 20, "ENTRY_TOO_LARGE", 300]);
});

test("a folder may hold anything: what cannot be read is a failure at once, and links in a circle end", async (t) => {
  const folder = temporaryFolder(t);
  const below = path.join(folder, "below");
  mkdirSync(below);
  writeFileSync(path.join(below, "1.jpg"), jpeg);
  for (const name of ["pipe.jpg", "pipe.tar", "pipe.txt"]) execFileSync("mkfifo", [path.join(folder, name)]);
  const socket = createServer().listen(path.join(folder, "socket.png"));
  t.after(() => socket.close());
  await once(socket, "listening");
  symlinkSync("/dev/zero", path.join(folder, "zero.jpg"));
  symlinkSync("nowhere", path.join(folder, "nowhere.jpg"));
  for (const name of ["a", "b"]) {
    symlinkSync("..", path.join(below, name));
    symlinkSync("below", path.join(folder, name));
  }
  const inner = await tarBytes([["1.jpg", jpeg]]);
  await writeTar(path.join(folder, "s.tar"), [
    ["cut.tar", inner.subarray(0, 600)],
    ["whole.tar", inner],
  ]);
  const found = async (name: string) => {
    const all: string[] = [];
    for await (const { name: file, error } of readImages(findImages(name, false), { maxImageBytes: 8 << 20 }))
      all.push(`${path.relative(folder, file)} ${error?.code ?? "read"}`);
    return all;
  };
  assert.deepEqual(await found(folder), [
    "a/1.jpg read",
    "below/1.jpg read",
    "nowhere.jpg NOT_FOUND",
    "pipe.jpg UNSUPPORTED_ENTRY",
    "pipe.tar UNSUPPORTED_ENTRY",
    "s.tar#cut.tar TRUNCATED_TAR",
    "s.tar#whole.tar/1.jpg read",
    "socket.png UNSUPPORTED_ENTRY",
    "zero.jpg UNSUPPORTED_ENTRY",
  ]);
  for (const name of ["pipe.jpg", "pipe.tar", "pipe.txt", "zero.jpg"])
    assert.deepEqual(await found(path.join(folder, name)), [`${name} UNSUPPORTED_ENTRY`]);
});

test("keys of a bucket that no URL can say are failures, and are looked for once", async () => {
  logIn();
  const server = await S3Server.start();
  try {
    await server.bucket("data");
    configureStorage({ s3: server.options() });
    for (const key of [
      "train/cat/1.jpg",
      "train//2.jpg",
      "train/cat//3.jpg",
      "train/cat//4/5.jpg",
      "/6.jpg",
      "//7.jpg",
    ])
      await server.put("data", key, jpeg);
    const found = async (name: string) => {
      const all: string[] = [];
      for await (const { name: file, error } of readImages(findImages(name, false), { maxImageBytes: 8 << 20 }))
        all.push(`${file} ${error?.code ?? "read"}`);
      return all;
    };
    assert.deepEqual(await found("s3://data"), [
      "s3://data/ UNSUPPORTED_ENTRY",
      "s3://data/train/ UNSUPPORTED_ENTRY",
      "s3://data/train/cat/ UNSUPPORTED_ENTRY",
      "s3://data/train/cat/1.jpg read",
    ]);
    const { samples, errors } = await preprocess({ sources: ["s3://data/train"], out: "s3://data/out" });
    assert.deepEqual([samples, errors], [1, { UNSUPPORTED_ENTRY: 2 }]);
    assert.deepEqual(await expandPatterns(["s3://data/t*", "s3://data/*/cat/*"]), [
      "s3://data/train",
      "s3://data/train/cat/1.jpg",
    ]);
    await rejectsWith("UNSUPPORTED_ENTRY", () => expandPatterns(["s3://data/**/*.jpg"]), /with \/\/ in them/);
    const named = ["s3://data/train//2.jpg", "s3://data//6.jpg", "s3://data///7.jpg"];
    for (const name of named) assert.deepEqual(await found(name), [`${name} read`], "keys are literal");
  } finally {
    await closeStorage();
    await server.stop();
  }
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
