// Every file of a source is a sample, a failure, part of a sample, or ignored for a reason: whatever kind of source it
// is in.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { type Failure, readManifest } from "../../src/shards/manifest.js";
import { readShard } from "../../src/shards/reader.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { sha256 } from "../support/dataset.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, type TarEntries, tarBytes, temporaryFolder, writeTar } from "../support/files.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { logIn, S3Server } from "../support/s3-server.js";

const kind = jpegKinds[0] as (typeof jpegKinds)[number];
const jpeg = (seed = 1) => makeJpeg(kind, seed);
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
  "base64",
);

const total = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

function failuresOf(out: string): Failure[] {
  const text = readFileSync(path.join(out, "errors.jsonl"), "utf8").trim();
  return text.split("\n").map((line) => JSON.parse(line) as Failure);
}

/** `key` and `extension`, and label of every record. */
async function labels(report: PreprocessReport): Promise<[string, number][]> {
  const manifest = await readManifest(report.manifest);
  const all: [string, number][] = [];
  for (const shard of manifest.shards)
    for await (const batch of readShard(manifest, shard))
      for (let row = 0; row < batch.length; row++) {
        const { key, extension, label } = batch.sample(row);
        all.push([key + extension, label]);
      }
  return all;
}

/** What is in real class folders, below `root/`: 6 samples, 3 failures; the rest is ignored. */
const classFolderFiles: TarEntries = [
  ["cat/1.jpg", jpeg(1)],
  ["cat/deeper/and/deeper/2.JPEG", jpeg(2)],
  ["cat/x.jpg/in-a-folder.jpg", jpeg(3)],
  ["cat/._1.jpg", "apple"],
  ["cat/.DS_Store", "apple"],
  ["dog/without-extension", jpeg(4)],
  ["dog/named.dat", png],
  ["dog/3.png", png],
  ["dog/empty.jpg", ""],
  ["dog/README.txt", "about dogs"],
  ["dog/numbers.bin", "1 2 3"],
  ["dog/more.zip", "PK"],
  ["dog/.ipynb_checkpoints/3-checkpoint.jpg", jpeg(5)],
  ["__MACOSX/cat/._1.jpg", "apple"],
  [".hidden/4.jpg", jpeg(6)],
  ["notes/README.md", "no images here"],
  ["stray.jpg", jpeg(7)],
  ["Thumbs.db", "windows"],
  ["desktop.ini", "windows"],
];

const classFolderIgnored = {
  ".DS_Store": 1,
  ".ipynb_checkpoints": 1,
  AppleDouble: 1,
  "Thumbs.db": 1,
  __MACOSX: 1,
  "desktop.ini": 1,
  "hidden folder": 1,
  "not an image": 3,
};

function checkClassFolders(report: PreprocessReport, folders: Readonly<Record<string, number>>): void {
  assert.deepEqual([report.samples, report.errors], [6, { MISSING_LABEL: 1, NOT_A_JPEG: 1, UNSUPPORTED_ENTRY: 1 }]);
  assert.deepEqual(report.ignored, { ...classFolderIgnored, ...folders });
  assert.equal(report.samples + report.failed + total(classFolderIgnored), classFolderFiles.length);
}

test("class folders on the disk: every file is counted, and those at any depth are read", async (t) => {
  const folder = temporaryFolder(t);
  for (const [name, content] of classFolderFiles) {
    const file = path.join(folder, "root", name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  mkdirSync(path.join(folder, "root", "empty"));
  const out = path.join(folder, "out");
  const report = await preprocess({ sources: [path.join(folder, "root")], out });
  checkClassFolders(report, { "empty folder": 2 });
  const { classes, ignored } = await readManifest(report.manifest);
  assert.deepEqual(classes, [
    { index: 0, name: "cat" },
    { index: 1, name: "dog" },
  ]);
  assert.deepEqual(ignored, report.ignored);
  assert.deepEqual(
    failuresOf(out).map(({ entry, code }) => [entry, code]),
    [
      ["stray.jpg", "MISSING_LABEL"],
      ["dog/empty.jpg", "NOT_A_JPEG"],
      ["dog/more.zip", "UNSUPPORTED_ENTRY"],
    ],
  );
  const again = await preprocess({ sources: [path.join(folder, "root")], out });
  assert.deepEqual([again.alreadyDone, again.ignored], [true, report.ignored]);
});

test("class folders in a bucket give the samples, failures and ignored files of those on the disk", async () => {
  logIn();
  const server = await S3Server.start();
  try {
    await server.bucket("data");
    configureStorage({ s3: server.options() });
    for (const [name, content] of classFolderFiles) await server.put("data", `root/${name}`, content);
    const report = await preprocess({ sources: ["s3://data/root"], out: "s3://data/out" });
    checkClassFolders(report, { "empty folder": 1 });
  } finally {
    await closeStorage();
    await server.stop();
  }
});

test("links: those to nothing are failures, loops end, and names that are not text keep their bytes", async (t) => {
  const folder = temporaryFolder(t);
  const root = path.join(folder, "root");
  for (const name of ["cat", "dog"]) {
    mkdirSync(path.join(root, name), { recursive: true });
    writeFileSync(path.join(root, name, "1.jpg"), jpeg(1));
  }
  const inLatin = (end: number) =>
    Buffer.concat([Buffer.from(`${root}/cat/caf`), Buffer.from([end]), Buffer.from(".jpg")]);
  writeFileSync(inLatin(0xe9), jpeg(2));
  writeFileSync(inLatin(0xe8), "not an image");
  const link = (to: string, name: string) => symlinkSync(to, path.join(root, name));
  link("nowhere", "cat/dangling.jpg");
  link("itself.jpg", "cat/itself.jpg");
  link("nowhere", "cat/dangling.txt");
  link("../cat/1.jpg", "dog/linked.jpg");
  link("..", "cat/up");
  link("../dog", "cat/across");
  link("../cat", "dog/across");
  execFileSync("mkfifo", [path.join(root, "dog", "pipe.jpg")]);
  const out = path.join(folder, "out");
  const quarantine = path.join(folder, "q.tar");
  const report = await preprocess({ sources: [root], out, quarantine });
  assert.deepEqual(await labels(report), [
    ["cat/1.jpg", 0],
    ["cat/caf%E9.jpg", 0],
    ["cat/across/1.jpg", 0],
    ["cat/across/linked.jpg", 0],
    ["dog/1.jpg", 1],
    ["dog/linked.jpg", 1],
    ["dog/across/1.jpg", 1],
    ["dog/across/caf%E9.jpg", 1],
  ]);
  assert.deepEqual(report.errors, { NOT_A_JPEG: 2, NOT_FOUND: 4, UNSUPPORTED_ENTRY: 2 });
  assert.deepEqual(report.ignored, { link: 2, "link to a folder read already": 4 });
  assert.ok(readFileSync(quarantine).includes("not an image"), "found again by its bytes");
});

/** What is in real tars of one synset: 5 samples, 4 failures; the rest is ignored. */
const tarFiles: TarEntries = [
  ["./a/1.jpg", jpeg(1)],
  ["/data/2.JPEG", jpeg(2)],
  ["a//b/./3.png", png],
  ["4", jpeg(4)],
  ["5.dat", png],
  ["._1.jpg", "apple"],
  ["._inner.tar", "apple"],
  [".DS_Store", "apple"],
  ["__MACOSX/._1.jpg", "apple"],
  ["Thumbs.db", "windows"],
  ["README.txt", "about"],
  ["6.npy", "numbers"],
  ["7.jpg", ""],
  ["more.zip", "PK"],
  ["more.tar.gz", "packed"],
  ["../8.jpg", jpeg(8)],
];
const tarErrors = { BAD_KEY: 1, NOT_A_JPEG: 1, UNSUPPORTED_ENTRY: 2 };
const tarIgnored = { ".DS_Store": 1, AppleDouble: 2, "Thumbs.db": 1, __MACOSX: 1, "not an image": 2 };

test("tars, compressed and within each other: every file is counted, none is lost", async (t) => {
  const folder = temporaryFolder(t);
  const flat = await tarBytes(tarFiles);
  const inner = await tarBytes([["n00000002.tar", flat]]);
  const sources: [name: string, bytes: Uint8Array, keyPrefix: string][] = [
    ["n00000001.tar", flat, ""],
    ["n00000001.tgz", gzipSync(flat), ""],
    ["nested.tar", inner, "n00000002/"],
    [
      "deep.tar",
      await tarBytes([
        ["README.txt", "about"],
        ["x/parts.tar", inner],
      ]),
      "x/parts/n00000002/",
    ],
  ];
  for (const [name, bytes, prefix] of sources) {
    writeFileSync(path.join(folder, name), bytes);
    const report = await preprocess({ sources: [path.join(folder, name)], out: path.join(folder, `out-${name}`) });
    assert.deepEqual([report.samples, report.errors], [5, tarErrors], name);
    const readMe = name === "deep.tar" ? 1 : 0;
    assert.deepEqual(report.ignored, { ...tarIgnored, "not an image": 2 + readMe }, name);
    assert.equal(report.samples + report.failed + total(report.ignored), tarFiles.length + readMe);
    const keys = ["a/1.jpg", "data/2.JPEG", "a/b/3.png", "4", "5.dat"].map((key) => prefix + key);
    assert.deepEqual(
      (await labels(report)).map(([key]) => key),
      keys,
    );
  }
});

test("tars within tars: a class is a tar that holds images itself; those too deep are failures", async (t) => {
  const folder = temporaryFolder(t);
  const cat = await tarBytes([["1.jpg", jpeg(1)]]);
  const mixed = await tarBytes([
    ["cat.tar", cat],
    ["2.jpg", jpeg(2)],
  ]);
  const source = await writeTar(path.join(folder, "s.tar"), [["mixed.tar", mixed]]);
  const report = await preprocess({ sources: [source], out: path.join(folder, "out") });
  assert.deepEqual(await labels(report), [
    ["mixed/cat/1.jpg", 0],
    ["mixed/2.jpg", 1],
  ]);
  let deep = cat;
  for (let level = 0; level < 9; level++) deep = await tarBytes([["t.tar", deep]]);
  const tooDeep = await writeTar(path.join(folder, "deep.tar"), [
    ["0.jpg", jpeg(0)],
    ["0.cls", "0"],
    ["t.tar", deep],
  ]);
  const found = await preprocess({ sources: [tooDeep], out: path.join(folder, "out-deep") });
  assert.deepEqual([found.samples, found.errors], [1, { UNSUPPORTED_ENTRY: 1 }]);
});

test("a damaged tar among others in a tar is one failure, and the run goes on and is resumed", async (t) => {
  const folder = temporaryFolder(t);
  const cat = await tarBytes([
    ["1.jpg", jpeg(1)],
    ["2.jpg", jpeg(2)],
  ]);
  const second = 512 * (1 + Math.ceil(jpeg(1).length / 512));
  const damaged = Buffer.from(cat);
  damaged[second] = 0xff; // of a header
  const source = await writeTar(path.join(folder, "s.tar"), [
    ["cat.tar", damaged],
    ["cut.tar", cat.subarray(0, second + 100)],
    ["dog.tar", cat],
  ]);
  const options = { sources: [source], out: path.join(folder, "out"), maxShardBytes: 1, workers: 1 };
  const report = await preprocess({ ...options, quarantine: path.join(folder, "q.tar") });
  assert.deepEqual(report.errors, { BAD_TAR: 1, TRUNCATED_TAR: 1 });
  const expected = [
    ["cat/1.jpg", 0],
    ["cut/1.jpg", 1],
    ["dog/1.jpg", 2],
    ["dog/2.jpg", 2],
  ];
  assert.deepEqual(await labels(report), expected);
  assert.deepEqual(
    failuresOf(options.out).map(({ entry, code }) => [entry, code]),
    [
      ["cat.tar", "BAD_TAR"],
      ["cut.tar", "TRUNCATED_TAR"],
    ],
  );
  for (let left = 0; left < report.shards; left++) {
    for (const name of await namesIn(options.out)) {
      const part = /^shard-00000-(\d+)/.exec(name)?.[1];
      if (name !== "job.json" && (part === undefined || Number(part) >= left)) rmSync(path.join(options.out, name));
    }
    const again = await preprocess(options);
    assert.deepEqual([await labels(again), again.errors], [expected, report.errors], `after ${left} shards`);
  }
  await rejectsWith("BAD_TAR", () => fromTar(folder, "strict", [["cat.tar", damaged]], { onBadSample: "fail" }));
});

test("tars beside class folders or images: an error asks which are meant", async (t) => {
  const folder = temporaryFolder(t);
  const root = path.join(folder, "root");
  mkdirSync(path.join(root, "cat"), { recursive: true });
  await writeTar(path.join(root, "train.tar"), [
    ["1.jpg", jpeg(1)],
    ["1.cls", "0"],
  ]);
  const out = path.join(folder, "out");
  writeFileSync(path.join(root, "cat", "list.txt"), "");
  assert.equal((await preprocess({ sources: [root], out })).samples, 1, "a folder without images is no matter");
  writeFileSync(path.join(root, "cat", "2.jpg"), jpeg(2));
  await rejectsWith(
    "AMBIGUOUS_SOURCES",
    () => preprocess({ sources: [root], out }),
    /train\.tar.*class folder cat.*\*\.tar/,
  );
  const below = path.join(folder, "below");
  mkdirSync(path.join(below, "part"), { recursive: true });
  await writeTar(path.join(below, "part", "a.tar"), []);
  await rejectsWith("NO_SOURCES", () => preprocess({ sources: [below], out }), /part\/a\.tar.*\*\*\/\*\.tar/);
  const images = path.join(folder, "images");
  mkdirSync(images);
  writeFileSync(path.join(images, "1.jpg"), jpeg(1));
  await rejectsWith("NO_SOURCES", () => preprocess({ sources: [images], out }), /folder per class/);
  writeFileSync(path.join(folder, "data.zip"), "PK\x03\x04".padEnd(600, "x"));
  await rejectsWith("BAD_TAR", () => preprocess({ sources: [path.join(folder, "data.zip")], out }), /a zip file/);
});

async function fromTar(folder: string, name: string, entries: TarEntries, options: object = {}) {
  const source = await writeTar(path.join(folder, `${name}.tar`), entries);
  return preprocess({ sources: [source], out: path.join(folder, name), ...options });
}

test("a key that stands there twice: each label with its image, or failures where that cannot be told", async (t) => {
  const folder = temporaryFolder(t);
  const two = (first: TarEntries[number][], second: TarEntries[number][]) => [
    ...first,
    ...second,
    ["z.jpg", jpeg(9)] as const,
    ["z.cls", "5"] as const,
  ];
  const adjacent = await fromTar(
    folder,
    "adjacent",
    two(
      [
        ["a.cls", "1"],
        ["a.jpg", jpeg(1)],
      ],
      [
        ["a.cls", "7"],
        ["a.jpg", jpeg(2)],
      ],
    ),
  );
  assert.deepEqual(await labels(adjacent), [
    ["a.jpg", 1],
    ["a.jpg", 7],
    ["z.jpg", 5],
  ]);
  const pngs = await fromTar(
    folder,
    "pngs",
    two(
      [
        ["a.cls", "1"],
        ["a.png", png],
      ],
      [
        ["a.cls", "7"],
        ["a.png", png],
      ],
    ),
  );
  assert.deepEqual(await labels(pngs), [
    ["a.png", 1],
    ["a.png", 7],
    ["z.jpg", 5],
  ]);
  const unclear = await fromTar(
    folder,
    "unclear",
    two(
      [
        ["a.jpg", jpeg(1)],
        ["a.jpg", jpeg(2)],
      ],
      [
        ["a.cls", "1"],
        ["a.cls", "7"],
      ],
    ),
  );
  assert.deepEqual([await labels(unclear), unclear.errors], [[["z.jpg", 5]], { BAD_LABEL: 2 }]);
  assert.match(failuresOf(path.join(folder, "unclear"))[0]?.message ?? "", /key twice/);
  const apart = await fromTar(folder, "apart", [
    ...two(
      [
        ["a.cls", "1"],
        ["a.jpg", jpeg(1)],
      ],
      [],
    ),
    ["a.jpg", jpeg(2)],
    ["a.cls", "7"],
  ]);
  assert.deepEqual(await labels(apart), [
    ["a.jpg", 1],
    ["z.jpg", 5],
    ["a.jpg", 7],
  ]);
});

test("several fields a sample: the first dot decides, the others are counted, a choice is asked for", async (t) => {
  const folder = temporaryFolder(t);
  const masks = await fromTar(folder, "masks", [
    ["d.e/000.depth.png", png],
    ["d.e/000.seg.png", png],
    ["d.e/000.meta.json", "{}"],
    ["d.e/000.jpg", jpeg(1)],
    ["d.e/000.cls", "3"],
    ["d.e/001.cls", "4"],
    ["d.e/001.rgb.jpg", jpeg(2)],
    ...Array.from({ length: 100 }, (_, i) => [`d.e/001.${i}.npy`, "numbers"] as const),
  ]);
  assert.deepEqual(await labels(masks), [
    ["d.e/000.jpg", 3],
    ["d.e/001.rgb.jpg", 4],
  ]);
  assert.deepEqual([masks.failed, masks.ignored], [0, { "another field": 3, "not an image": 100 }]);
  const stereo: TarEntries = [
    ["000.cls", "1"],
    ["000.left.jpg", jpeg(1)],
    ["000.RIGHT.jpg", jpeg(2)],
    ["001.left.jpg", jpeg(3)],
    ["001.RIGHT.jpg", jpeg(4)],
    ["001.json", '{"label":2}'],
  ];
  await rejectsWith(
    "NO_SAMPLES",
    () => fromTar(folder, "none", stereo),
    /4 failed.*left\.jpg, RIGHT\.jpg.*`imageField`/,
  );
  for (const [field, seen] of [
    ["left.jpg", ["000.left.jpg", "001.left.jpg"]],
    [".right.jpg", ["000.RIGHT.jpg", "001.RIGHT.jpg"]],
  ] as const) {
    const chosen = await fromTar(folder, `stereo-${field}`, stereo, { imageField: field });
    assert.deepEqual(await labels(chosen), [
      [seen[0], 1],
      [seen[1], 2],
    ]);
    assert.deepEqual([chosen.failed, chosen.ignored], [0, { "another field": 2 }]);
  }
  await rejectsWith(
    "NO_SAMPLES",
    () => fromTar(folder, "wrong", stereo, { imageField: "middle.jpg" }),
    /2 failed.*no image middle\.jpg in this sample; it has left\.jpg, RIGHT\.jpg/,
  );
  await rejectsWith("INVALID_OPTION", () => fromTar(folder, "bad", stereo, { imageField: "cls" }), /imageField/);
  const dotted = await fromTar(folder, "dotted", [
    ["a.1.jpg", jpeg(1)],
    ["a.1.cls", "1"],
    ["a.2.jpg", jpeg(2)],
    ["a.2.cls", "2"],
  ]);
  assert.deepEqual(await labels(dotted), [
    ["a.1.jpg", 1],
    ["a.2.jpg", 2],
  ]);
});

test("one label never ends a run: what is wrong with it is said, with its place", async (t) => {
  const folder = temporaryFolder(t);
  const report = await fromTar(
    folder,
    "labels",
    [
      ['{"label":NaN,"kind":{"id":1}}', "nan"],
      ['{"kind":{"id":1},}', "comma"],
      ['{"kind":{"id":{"toString":1}}}', "object"],
      [`{"kind":{"id":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`, "deep"],
      ['{"kind":"constructor"}', "text"],
      ["[1]", "list"],
    ].flatMap(([json = "", key]) => [[`${key}.jpg`, jpeg(1)] as const, [`${key}.json`, json] as const]),
    { labelField: "kind.id" },
  );
  assert.deepEqual([await labels(report), report.failed], [[["nan.jpg", 1]], 5]);
  const messages = Object.fromEntries(
    failuresOf(path.join(folder, "labels")).map(({ key, message }) => [key, message]),
  );
  assert.match(messages["comma"] ?? "", /comma\.json is not JSON at byte 17/);
  assert.match(messages["object"] ?? "", /found an object/);
  assert.match(messages["deep"] ?? "", /found a list/);
  assert.match(messages["text"] ?? "", /no field kind\.id/);
  assert.match(messages["list"] ?? "", /list\.json holds a list/);
});

test("class folders called by numbers are numbered as ImageFolder does, in the order of their names", async (t) => {
  const folder = temporaryFolder(t);
  for (let i = 0; i < 12; i++) {
    mkdirSync(path.join(folder, "root", String(i)), { recursive: true });
    writeFileSync(path.join(folder, "root", String(i), "x.jpg"), jpeg(i));
  }
  const report = await preprocess({ sources: [path.join(folder, "root")], out: path.join(folder, "out") });
  const { classes } = await readManifest(report.manifest);
  for (const [key, label] of await labels(report)) assert.equal(classes[label]?.name, key.split("/")[0]);
});

test("runs of one base are resumed to the same bytes, wherever they were left", async (t) => {
  const folder = temporaryFolder(t);
  const cls = (key: string) => [`${key}.cls`, "1"] as const;
  // A long run of dotted names, whose last files alone would be taken for the fields of one sample.
  const long = Array.from({ length: 80 }, (_, i) => [`img.${i}.jpg`, jpeg(i % 7)] as const);
  const source = await writeTar(path.join(folder, "n00000001.tar"), [
    ["s.cls", "0"],
    ["x.zip", "PK"],
    ["s.jpg", jpeg(1)],
    ["s.cls", "0"],
    ["._s.jpg", "apple"],
    ["s.jpg", jpeg(2)],
    ...Array.from({ length: 70 }, (_, i) => [`s.${i}.zip`, "PK"] as const),
    ["s.cls", "1"],
    ["s.jpg", jpeg(2)],
    ["t.1.jpg", jpeg(1)],
    ["t.2.jpg", jpeg(2)],
    cls("t.1"),
    cls("t.2"),
    ["u.left.jpg", jpeg(1)],
    ["u.right.jpg", jpeg(2)],
    cls("u"),
    ...long,
    cls("img"),
    ["._end.jpg", "apple"],
  ]);
  const out = path.join(folder, "out");
  const hashes = async () =>
    Object.fromEntries((await namesIn(out)).map((name) => [name, sha256(readFileSync(path.join(out, name)))]));
  const classes = path.join(folder, "classes.txt"); // the tar's name and the samples' own numbers, in one list
  writeFileSync(classes, "n00000000\nn00000001\n");
  const options = { sources: [source], out, classes, maxShardBytes: 1, workers: 1 };
  const report = await preprocess(options);
  assert.deepEqual(
    [report.samples, report.errors],
    [85, { AMBIGUOUS_SAMPLE: 2, MISSING_IMAGE: 1, UNSUPPORTED_ENTRY: 71 }],
  );
  assert.deepEqual(report.ignored, { AppleDouble: 2 });
  const whole = await hashes();
  assert.ok(report.shards > 80, `${report.shards} shards`);
  for (const left of [1, 2, 3, 4, 40, report.shards - 2]) {
    for (const name of await namesIn(out)) {
      const part = /^shard-00000-(\d+)/.exec(name)?.[1];
      if (name !== "job.json" && (part === undefined || Number(part) >= left)) rmSync(path.join(out, name));
    }
    await preprocess(options);
    assert.deepEqual(await hashes(), whole, `after ${left} shards`);
  }
});
