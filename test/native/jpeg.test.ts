import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c, readJpeg, readPixels, rebuildJpeg, unpackCoefficients } from "../../src/native/index.js";
import { randomFor } from "../../src/shards/random.js";
import { rejectsWith } from "../support/errors.js";
import {
  arithmeticKind,
  cmykKind,
  jpegKinds,
  makeJpeg,
  progressiveKind,
  rgbKind,
  withScansAgain,
} from "../support/jpegs.js";

const maxPixels = 100_000_000;

for (const kind of jpegKinds) {
  test(`${kind.name}: the file is rebuilt byte for byte from its packed coefficients`, () => {
    const jpeg = makeJpeg(kind);
    for (const codec of ["zstd", "none"] as const) {
      const record = readJpeg(jpeg, maxPixels, codec);
      assert.deepEqual([record.width, record.height, record.warnings], [kind.width, kind.height, 0]);
      assert.equal(record.rebuildable, true);
      assert.equal(record.crc32c, crc32c(record.packed));
      const rebuilt = rebuildJpeg(jpeg.subarray(0, record.headerBytes), jpeg.subarray(record.trailerStart), {
        ...record,
        codec,
      });
      assert.deepEqual(rebuilt, jpeg);
    }
  });
}

test("block counts and stored grids follow the sampling: a 4:2:0 image of 13 x 9 luma blocks is stored on 14 x 10", () => {
  const { components } = readJpeg(
    makeJpeg({ name: "g", width: 100, height: 71, channels: 3, lumaH: 2, lumaV: 2 }),
    maxPixels,
    "none",
  );
  assert.deepEqual(components[0], { h: 2, v: 2, blocksWide: 13, blocksHigh: 9, storedWide: 14, storedHigh: 10 });
  assert.deepEqual(components[1], { h: 1, v: 1, blocksWide: 7, blocksHigh: 5, storedWide: 7, storedHigh: 5 });
});

test("a flat image has one DC coefficient per block, of the value the transform gives", () => {
  const jpeg = makeJpeg({ name: "flat", width: 16, height: 8, channels: 1, quality: 50 });
  const record = readJpeg(jpeg, maxPixels, "none");
  const coefficients = unpackCoefficients(record.packed, record.components, "none");
  assert.equal(coefficients.length, 2 * 64);
  // The sums over frequencies are of the same numbers: quantised value times table entry.
  const q = record.quantTables[0] as number;
  const dcSum = ((coefficients[0] as number) + (coefficients[64] as number)) * q;
  assert.deepEqual([...record.frequencies.slice(0, 4)], [2, 0, 0, dcSum]);
});

for (const [kind, flag] of [
  [progressiveKind, "progressive"],
  [arithmeticKind, "arithmetic"],
] as const) {
  test(`${kind.name}: read without loss, and said not to be rebuildable`, () => {
    const record = readJpeg(makeJpeg(kind), maxPixels, "zstd");
    assert.equal(record[flag], true);
    assert.equal(record.rebuildable, false);
    const sequential = readJpeg(makeJpeg({ ...kind, progressive: false, arithmetic: false }), maxPixels, "zstd");
    assert.deepEqual(
      unpackCoefficients(record.packed, record.components, "zstd"),
      unpackCoefficients(sequential.packed, sequential.components, "zstd"),
    );
  });
}

test("colour spaces are told apart", () => {
  const space = (kind: Parameters<typeof makeJpeg>[0]) => readJpeg(makeJpeg(kind), maxPixels, "none").colorSpace;
  assert.deepEqual(
    [cmykKind, rgbKind, jpegKinds[0], jpegKinds[7]].map((kind) => space(kind as Parameters<typeof makeJpeg>[0])),
    ["cmyk", "rgb", "ycbcr", "grey"],
  );
});

test("what is no JPEG is said to be none, with what it looks like", async () => {
  await rejectsWith(
    "NOT_A_JPEG",
    () => readJpeg(new TextEncoder().encode("\x89PNG\r\n"), maxPixels, "none"),
    /something else|PNG/,
  );
  await rejectsWith("NOT_A_JPEG", () => readJpeg(new Uint8Array(0), maxPixels, "none"), /empty/);
  await rejectsWith("BAD_JPEG", () => readJpeg(new Uint8Array([0xff, 0xd8, 0xff, 0xd9]), maxPixels, "none"));
});

test("a header that promises too many pixels is refused before its size is allocated", async () => {
  const jpeg = makeJpeg({ name: "bomb", width: 64, height: 64, channels: 3 }).slice();
  const sof = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xc0);
  jpeg.set([0xea, 0x60, 0xea, 0x60], sof + 5); // 60000 x 60000
  const before = process.memoryUsage().rss;
  await rejectsWith("TOO_MANY_PIXELS", () => readJpeg(jpeg, maxPixels, "none"), /60000 x 60000/);
  assert.ok(process.memoryUsage().rss - before < 100 << 20, "nothing of that size was allocated");
});

test("a truncated scan is a warning: the coefficients before the cut are kept", () => {
  const whole = makeJpeg({ name: "cut", width: 128, height: 128, channels: 3 });
  const full = readJpeg(whole, maxPixels, "none");
  const cut = readJpeg(whole.slice(0, Math.floor(whole.length * 0.8)), maxPixels, "none");
  assert.ok(cut.warnings > 0);

  assert.equal(cut.rebuildable, false);
  const [a, b] = [full, cut].map((record) => unpackCoefficients(record.packed, record.components, "none")) as [
    Int16Array,
    Int16Array,
  ];
  assert.deepEqual(a.subarray(0, 64 * 16 * 8), b.subarray(0, 64 * 16 * 8), "the upper half of luma");
});

test("damaged files never crash: every outcome is a record or a known code", () => {
  const random = randomFor(3, "fuzz");
  const originals = [...jpegKinds.slice(0, 9), progressiveKind, arithmeticKind].map((kind) => makeJpeg(kind));
  const outcomes = new Map<string, number>();
  for (let i = 0; i < 3000; i++) {
    const bytes = (originals[i % originals.length] as Uint8Array).slice(
      0,
      i % 3 === 0 ? random.below(3000) + 2 : undefined,
    );
    for (let n = random.below(6); n >= 0; n--) bytes[2 + random.below(bytes.length - 2)] = random.below(256);
    let outcome = "read";
    try {
      const record = readJpeg(bytes, 4_000_000, "zstd");
      if (record.rebuildable) {
        const rebuilt = rebuildJpeg(bytes.subarray(0, record.headerBytes), bytes.subarray(record.trailerStart), {
          ...record,
          codec: "zstd",
        });
        assert.deepEqual(rebuilt, bytes);
        outcome = "rebuilt";
      }
    } catch (error) {
      outcome = (error as { code: string }).code;
    }
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const known = new Set(["read", "rebuilt", "BAD_JPEG", "UNSUPPORTED_JPEG", "TOO_MANY_PIXELS", "NOT_A_JPEG"]);
  assert.deepEqual(
    [...outcomes.keys()].filter((outcome) => !known.has(outcome)),
    [],
  );
  assert.ok((outcomes.get("BAD_JPEG") ?? 0) > 0 && (outcomes.get("read") ?? 0) > 0, "the damage was of both kinds");
});

test("scans repeated without end are bounded by the work that they make, for coefficients and for pixels", async () => {
  const small = withScansAgain(64, 64, 90);
  assert.equal(readJpeg(small, maxPixels, "none").width, 64, "a hundred passes over a small image cost nothing");
  assert.equal(readPixels(small, maxPixels).width, 64);
  const large = withScansAgain(3000, 2400, 90); // 112,500 blocks
  await rejectsWith("TOO_MANY_SCANS", () => readJpeg(large, maxPixels, "none"), /3000 x 2400/);
  await rejectsWith("TOO_MANY_SCANS", () => readPixels(large, maxPixels), /3000 x 2400/);
  assert.equal(readJpeg(withScansAgain(3000, 2400, 20), maxPixels, "none").width, 3000);
  await rejectsWith("TOO_MANY_SCANS", () => readJpeg(withScansAgain(16, 16, 600), maxPixels, "none"));
});

test("crc32c of the standard check string", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

test("a file whose tables push others out of the decoder's cache still reads with its own", () => {
  const original = makeJpeg({ name: "tables", width: 200, height: 160, channels: 3, lumaH: 2, lumaV: 2, quality: 97 });
  const expected = readJpeg(original, maxPixels, "none");
  const image = { components: expected.components, packed: expected.packed, codec: "none" } as const;
  const trailer = original.slice(expected.trailerStart);
  // The last symbols of the chroma AC table have codes of 16 bits: any order of them is another valid table.
  const header = original.slice(0, expected.headerBytes);
  let at = 2;
  while (!(header[at + 1] === 0xc4 && header[at + 4] === 0x11))
    at += 2 + (header[at + 2] as number) * 256 + (header[at + 3] as number);
  const end = at + 2 + (header[at + 2] as number) * 256 + (header[at + 3] as number);
  for (let i = 0; i < 200; i++) {
    const [a, b] = [end - 1 - (i % 60), end - 2 - ((7 * i) % 59)];
    [header[a], header[b]] = [header[b] as number, header[a] as number];
    const file = rebuildJpeg(header, trailer, image);
    const found = readJpeg(file, maxPixels, "none");
    assert.deepEqual([found.decoder, found.crc32c], ["baseline", expected.crc32c], `table ${i}`);
  }
});
