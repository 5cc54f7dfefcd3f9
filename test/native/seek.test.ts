import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  BatchSamples,
  buildSeekSample,
  type ColorChange,
  checkSeekRows,
  encodeJpeg,
  factNumbers,
  type OpenSeekBlock,
  parseFacts,
  readJpeg,
  readSeekFacts,
  renderBatch,
  type StoredImage,
  unchangedColor,
  type ViewArray,
  type ViewAxis,
} from "../../src/native/index.js";
import { planView } from "../../src/pipeline/load/view.js";
import { type Random, randomFor } from "../../src/shards/random.js";
import { temporaryFolder } from "../support/files.js";
import {
  arithmeticKind,
  cmykKind,
  extremeJpegs,
  type JpegKind,
  jpegKinds,
  makeJpeg,
  progressiveKind,
  rgbKind,
} from "../support/jpegs.js";
import {
  arraysOf,
  blockOf,
  factsOf,
  formsOf,
  layoutsOf,
  neededBytes,
  packedSample,
  packedView,
  recordOf,
  sameBits,
  seekSample,
  seekView,
  type View,
} from "../support/seek-views.js";

const maxPixels = 1e8;
const size = 48;

/** A box of the view's own size at whole MCUs, which is copied; undefined where the image has none. */
function copiedBox(width: number, height: number, random: Random): Pick<View, "x" | "y"> | undefined {
  if (width < size || height < size) return undefined;
  const axis = (side: number): ViewAxis => {
    const boxStart = 16 * random.below(Math.floor((side - size) / 16) + 1);
    const flip = random.next() < 0.5;
    return { boxStart, boxEnd: boxStart + size, scaledSize: size, outStart: 0, outCount: size, flip };
  };
  return { x: axis(width), y: axis(height) };
}

const changed: ColorChange = { luma: 1.3, chroma: 0.7, offset: 12, offsetOfMean: -0.3 };

function* viewsOf(width: number, height: number, random: Random): Generator<View> {
  for (const form of formsOf(size, random)) {
    for (const color of [unchangedColor, changed]) {
      for (const augment of ["train", "train", "eval", "none"] as const) {
        const { x, y } = planView(width, height, { kind: "dct", size, augment }, random);
        yield { form, color, x, y: { ...y, flip: random.next() < 0.3 } };
      }
      const copied = copiedBox(width, height, random);
      if (copied !== undefined) yield { form, color, ...copied };
    }
  }
}

const large: JpegKind = { name: "many MCUs in a row", width: 700, height: 130, channels: 3, lumaH: 2, lumaV: 2 };
const restarted: JpegKind = { ...large, name: "restarts in rows", height: 70, restartInterval: 7 };

/** What an index says of a file, against its reading. */
function compareFacts(file: Uint8Array): void {
  const facts = new Float64Array(factNumbers);
  assert.ok("block" in buildSeekSample(file, { maxPixels }, facts));
  assert.deepEqual(parseFacts(facts), factsOf(file));
}

for (const kind of [...jpegKinds, large, restarted]) {
  test(`${kind.name}: views from parts of the file are those of its packed record, bit for bit`, () => {
    const file = makeJpeg(kind);
    const record = recordOf(file);
    const random = randomFor(3, "seek", kind.name);
    const spacings = [undefined, 0, 1, 3, 16] as const;
    const blocks = spacings.map((spacing) => blockOf(file, spacing));
    for (const view of viewsOf(kind.width, kind.height, random)) {
      const at = random.below(blocks.length);
      const block = blocks[at] as OpenSeekBlock;
      const place = JSON.stringify({ spacing: spacings[at], ...view });
      const expected = packedView(record, view);
      const { start, end, bytes } = neededBytes(block, file, view);
      const part = seekView(block, bytes, view, { firstByte: start });
      assert.ok("out" in part, place);
      assert.ok(sameBits(part.out, expected), place);
      // Nothing else of the file is looked at.
      const noise = Uint8Array.from(file, (byte, i) => (i >= start && i < end ? byte : random.below(256)));
      const whole = seekView(block, noise, view);
      assert.ok("out" in whole && sameBits(whole.out, expected), place);
    }
  });
}

for (const kind of [...jpegKinds, large, restarted])
  test(`${kind.name}: what is said of a file is what reading all of it says`, () => compareFacts(makeJpeg(kind)));

test("whatever the size is, only blocks of the image are counted, and none of its padding", () => {
  for (const sampling of [{}, { lumaH: 2, lumaV: 2 }, { lumaH: 4 }, { lumaV: 2 }])
    for (let side = 1; side < 40; side += 3)
      compareFacts(makeJpeg({ name: "sides", width: side, height: 41 - side, channels: 3, quality: 97, ...sampling }));
});

test("the largest coefficients, and sums that stop, are those that reading all of the file gives", () => {
  const stop = 2 ** 52 - 1;
  const largest = extremeJpegs().map((file) => {
    compareFacts(file);
    return Math.max(...readJpeg(file, maxPixels, "none").frequencies);
  });
  assert.ok(largest.includes(stop) && largest.some((sum) => sum < stop));
});

test("every SIMD level notes and says the same of a file", () => {
  const script = fileURLToPath(new URL("../support/print-seek-facts.js", import.meta.url));
  const said = ["scalar", "avx2", "avx512"].map((level) => {
    const env = { ...process.env, DCTSTREAM_SIMD: level };
    const done = spawnSync(process.execPath, [script], { env, maxBuffer: 1 << 28 });
    assert.equal(done.status, 0, String(done.stderr));
    return done.stdout;
  });
  assert.ok((said[0] as Buffer).length > 1000);
  for (const other of said.slice(1)) assert.ok(other.equals(said[0] as Buffer));
});

test("entries lie 16 MCUs apart where a row has 24, otherwise there is one per row", () => {
  for (const [width, spacing, perRow] of [
    [23 * 16, 0, 1],
    [24 * 16, 16, 2],
    [33 * 16, 16, 3],
  ] as const) {
    const [facts] = readSeekFacts(blockOf(makeJpeg({ ...large, width, height: 40 })));
    assert.equal(facts?.spacing, spacing);
    assert.equal(facts?.entries, 3 * perRow);
    assert.deepEqual([facts?.width, facts?.height], [width, 40]);
  }
});

test("a file that cannot be entered is refused with the reason", () => {
  const file = makeJpeg(jpegKinds[2] as JpegKind);
  const scan = Buffer.from(file).lastIndexOf(Buffer.from([0xff, 0xda]));
  const changedAt = (at: number, byte: number) => Uint8Array.from(file, (old, i) => (i === at ? byte : old));
  const without = (at: number) => Buffer.concat([file.subarray(0, at), file.subarray(at + 1)]);
  const frame = Buffer.from(file).indexOf(Buffer.from([0xff, 0xc0]));
  for (const [jpeg, reason] of [
    [new Uint8Array(0), /not a JPEG/],
    [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d), /not a JPEG/],
    [makeJpeg(progressiveKind), /progressive/],
    [makeJpeg(arithmeticKind), /not a sequential Huffman frame/],
    [makeJpeg(cmykKind), /neither grey nor Y Cb Cr/],
    [makeJpeg(rgbKind), /neither grey nor Y Cb Cr/],
    [changedAt(frame + 4, 12), /8 bits/],
    [file.subarray(0, scan), /no start-of-scan|header segment/],
    [file.subarray(0, file.length - 30), /without an end/],
    [without(scan + 200), /damaged scan/],
    [changedAt(file.length - 1, 0xd7), /stray markers/],
    [Buffer.concat([file.subarray(0, file.length - 2), new Uint8Array(40), file.subarray(-2)]), /damaged scan/],
  ] as const) {
    const made = buildSeekSample(jpeg, { maxPixels });
    assert.ok("refused" in made);
    assert.match(made.refused, reason);
  }
  const made = buildSeekSample(file, { maxPixels: 96 * 80 - 1 });
  assert.ok("refused" in made && /too many pixels/.test(made.refused));
});

test("a flipped bit is found by the row's checksum, or, unchecked, by the index or not at all", () => {
  const file = makeJpeg(large);
  const block = blockOf(file);
  const random = randomFor(9, "seek damage");
  const counts = { checksum: 0, corrupt: 0, rendered: 0 };
  for (let round = 0; round < 150; round++) {
    const [form] = formsOf(size, random);
    const axes = planView(large.width, large.height, { kind: "dct", size, augment: "train" }, random);
    const view = { form, ...axes, color: unchangedColor } as View;
    const { start, bytes } = neededBytes(block, file, view);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
    const checked = seekView(block, bytes, view, { firstByte: start });
    assert.ok("failure" in checked);
    assert.equal(checked.failure.code, "CHECKSUM_MISMATCH");
    counts.checksum++;
    const unchecked = seekView(block, bytes, view, { firstByte: start, checked: false });
    if ("out" in unchecked) {
      counts.rendered++;
    } else {
      assert.equal(unchecked.failure.code, "CORRUPT_RECORD");
      counts.corrupt++;
    }
  }
  assert.ok(counts.corrupt > 0, JSON.stringify(counts));
});

test("bytes are checked by rows before they are used: a view's, with every bit flipped that one of them may have", () => {
  const file = makeJpeg(restarted);
  const block = blockOf(file);
  const random = randomFor(5, "rows on arrival");
  const [form] = formsOf(size, random) as [View["form"]];
  for (const augment of ["train", "train", "eval", "none"] as const) {
    const axes = planView(restarted.width, restarted.height, { kind: "dct", size, augment }, random);
    const { start, bytes } = neededBytes(block, file, { form, ...axes, color: unchangedColor });
    assert.ok(checkSeekRows(block, 0, bytes, start));
    // Every byte lies in a row, and every bit of it counts.
    for (let at = 0; at < bytes.length; at += 1 + random.below(7)) {
      const byte = bytes[at] as number;
      bytes[at] = byte ^ (1 << random.below(8));
      assert.ok(!checkSeekRows(block, 0, bytes, start), `byte ${at} of ${bytes.length}`);
      bytes[at] = byte;
    }
    assert.ok(!checkSeekRows(block, 0, bytes, start + 1));
  }
});

test("only rows that lie wholly in the bytes are checked, and a whole file's are all of them", () => {
  const file = makeJpeg(large);
  const block = blockOf(file);
  assert.ok(checkSeekRows(block, 0, file, 0));
  const random = randomFor(6, "parts of rows");
  let found = 0;
  for (let round = 0; round < 200; round++) {
    const at = random.below(file.length);
    const changed = Uint8Array.from(file, (byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte));
    const start = random.below(file.length);
    const end = start + random.below(file.length - start + 1);
    assert.ok(checkSeekRows(block, 0, file.subarray(start, end), start));
    const intact = checkSeekRows(block, 0, changed.subarray(start, end), start);
    if (!intact) found++;
    assert.ok(intact || (at >= start && at < end));
    // A changed byte of the scan is found where the row around it is there: in all of the file.
    const header = readJpeg(file, maxPixels, "none");
    assert.equal(checkSeekRows(block, 0, changed, 0), at < header.headerBytes || at >= header.trailerStart);
  }
  assert.ok(found > 0);
  assert.ok(checkSeekRows(block, 0, new Uint8Array(0), 0));
  assert.ok(checkSeekRows(block, 0, new Uint8Array(1000), file.length - 10));
});

test("rows of a block that is none cannot be checked", () => {
  const file = makeJpeg(large);
  const block = blockOf(file);
  const corrupt = { code: "CORRUPT_RECORD" };
  assert.throws(() => checkSeekRows(block, 1, file, 0), corrupt);
  for (let length = 0; length < block.length; length += 1 + (length >> 3))
    assert.throws(() => checkSeekRows(block.subarray(0, length), 0, file, 0), corrupt);
  for (let at = 0; at < block.length; at++) {
    const changed = Uint8Array.from(block, (byte, i) => (i === at ? byte ^ 0x81 : byte));
    try {
      checkSeekRows(changed, 0, file, 0);
    } catch (error) {
      assert.equal((error as { code: string }).code, corrupt.code);
    }
  }
  for (const firstByte of [-1, Number.NaN, 2 ** 28 + 1])
    assert.throws(() => checkSeekRows(block, 0, file, firstByte), { code: "INVALID_ARGUMENT" });
});

test("too few bytes are an error, and so are a block or number that is not there", () => {
  const file = makeJpeg(large);
  const block = blockOf(file);
  const [form] = formsOf(size, randomFor(1, "seek"));
  const view = {
    form,
    ...planView(large.width, large.height, { kind: "dct", size, augment: "eval" }, randomFor(1, "seek")),
    color: unchangedColor,
  } as View;
  const { start, bytes } = neededBytes(block, file, view);
  for (const [part, firstByte] of [
    [bytes.subarray(1), start + 1],
    [bytes.subarray(0, -1), start],
    [bytes, start + 1],
  ] as const) {
    const failed = seekView(block, part, view, { firstByte });
    assert.ok("failure" in failed);
    assert.equal(failed.failure.code, "CORRUPT_RECORD");
    assert.match(failed.failure.message, /fewer bytes/);
  }
  const missing = seekView(block, bytes, view, { firstByte: start, blockSample: 1 });
  assert.ok("failure" in missing && missing.failure.code === "CORRUPT_RECORD");
  assert.throws(() => seekView(block, bytes, view, { firstByte: start, block: 1 }), { code: "INVALID_ARGUMENT" });
});

test("the file of another image is noticed where an entry is crossed", () => {
  const other = encodeJpeg(new Uint8Array(700 * 130 * 3).fill(77), 700, 130, 3, { lumaH: 2, lumaV: 2 });
  const file = makeJpeg(large);
  const padded = Buffer.concat([other, file.subarray(other.length)]);
  const [form] = formsOf(size, randomFor(1, "seek"));
  const axes = planView(large.width, large.height, { kind: "dct", size, augment: "none" }, randomFor(1, "seek"));
  const failed = seekView(blockOf(file), padded, { form, ...axes, color: unchangedColor } as View, { checked: false });
  assert.ok("failure" in failed);
  assert.match(failed.failure.message, /not the one that the index was made of/);
});

test("files and packed records share a batch, from memory and from files that the batch reads", (t) => {
  const kinds = [large, restarted, jpegKinds[7] as JpegKind];
  const files = kinds.map((kind) => makeJpeg(kind));
  const records = files.map(recordOf);
  const [form] = formsOf(size, randomFor(1, "seek")) as [View["form"]];
  const random = randomFor(4, "mixed batch");
  const views = kinds.map(({ width, height }): View => {
    const axes = planView(width, height, { kind: "dct", size, augment: "train" }, random);
    return { form, color: unchangedColor, ...axes };
  });
  // Each file behind a few bytes of something else, as in a tar.
  const path = join(temporaryFolder(t), "files");
  const offsets = files.map((_, i) => 100 + files.slice(0, i).reduce((sum, file) => sum + file.length + 100, 0));
  writeFileSync(path, Buffer.concat(files.flatMap((file) => [new Uint8Array(100), file])));
  const descriptor = openSync(path, "r");
  t.after(() => closeSync(descriptor));

  const samples = new BatchSamples();
  const layouts = layoutsOf(records);
  for (const [i, file] of files.entries()) {
    const { x, y } = views[i] as View;
    const record = records[i] as StoredImage;
    const common = { block: i, x, y };
    samples.add(seekSample(file, { ...common, memory: i, place: 3 * i }));
    samples.add(
      seekSample(file, { ...common, memory: -1, file: descriptor, offset: offsets[i] as number, place: 3 * i + 1 }),
    );
    samples.add(packedSample(record, { memory: files.length + i, layout: i, place: 3 * i + 2, x, y }));
  }
  const out = arraysOf(form, 9);
  const failures = renderBatch({
    memory: [...files, ...records.map(({ packed }) => packed)],
    layouts: [layouts],
    blocks: files.map((file) => blockOf(file)),
    samples,
    form,
    out,
    views: 9,
    pairs: [],
    replace: false,
  });
  assert.equal(failures, undefined);
  for (const [i, record] of records.entries()) {
    const expected = packedView(record, views[i] as View);
    for (const place of [3 * i, 3 * i + 1, 3 * i + 2]) {
      const shown = out.map((array, c) => {
        const { length } = expected[c] as ViewArray;
        return array.slice(place * length, (place + 1) * length);
      });
      assert.ok(sameBits(shown, expected), `place ${place}`);
    }
  }
});
