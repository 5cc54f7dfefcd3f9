import assert from "node:assert/strict";
import { test } from "node:test";
import {
  buildSeekSample,
  crc32c,
  openSeekBlock,
  readSeekFacts,
  sealedHeaderBytes,
  sealSeekBlock,
  takeSeekSample,
  unchangedColor,
} from "../../src/native/index.js";
import { maxBlockSamples } from "../../src/native/limits.js";
import { planView } from "../../src/pipeline/load/view.js";
import { type Random, randomFor } from "../../src/shards/random.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { blockOf, formsOf, packedView, recordOf, sameBits, seekView, type View } from "../support/seek-views.js";

const size = 48;
const files = [...jpegKinds, { name: "wide rows", width: 700, height: 64, channels: 3 } as const].map((kind) =>
  makeJpeg(kind),
);
const offsets = files.map((_, i) => 512 * ((i * 7919) % 100_000));

const sealed = () =>
  sealSeekBlock(
    files.map((file) => blockOf(file)),
    offsets,
  );

function someView(width: number, height: number, random: Random): View {
  const forms = formsOf(size, random);
  const form = forms[random.below(forms.length)] as View["form"];
  const axes = planView(width, height, { kind: "dct", size, augment: "train" }, random);
  return { form, color: unchangedColor, ...axes };
}

test("a sealed block holds what its samples' own blocks hold, and where their files lie", () => {
  const bytes = sealed();
  const block = openSeekBlock(bytes);
  const facts = readSeekFacts(block);
  assert.equal(facts.length, files.length);
  const random = randomFor(2, "seek blocks");
  for (const [i, file] of files.entries()) {
    const own = readSeekFacts(blockOf(file))[0];
    assert.deepEqual(facts[i], { ...own, offset: offsets[i] });
    assert.equal(facts[i]?.crc32c, crc32c(file));
    assert.equal(facts[i]?.byteLength, file.length);
    const record = recordOf(file);
    const view = someView(record.width, record.height, random);
    const shown = seekView(block, file, view, { blockSample: i });
    assert.ok("out" in shown && sameBits(shown.out, packedView(record, view)));
  }
});

test("blocks are joined and sealed again to the same bytes, whatever parts they came in", () => {
  const bytes = sealed();
  assert.deepEqual(sealSeekBlock([openSeekBlock(bytes)], offsets), bytes);
  const half = files.length >> 1;
  const parts = [files.slice(0, half), files.slice(half)].map((some, i) =>
    openSeekBlock(
      sealSeekBlock(
        some.map((file) => blockOf(file)),
        some.map((_, k) => 512 * (k + i)),
      ),
    ),
  );
  assert.deepEqual(sealSeekBlock(parts, offsets), bytes);
});

test("each sample is taken out of a block as it was put in", () => {
  const block = openSeekBlock(sealed());
  for (const [i, file] of files.entries()) assert.deepEqual(takeSeekSample(block, i), blockOf(file));
  for (const none of [files.length, 2 ** 31, -1])
    assert.throws(() => takeSeekSample(block, none), { code: "CORRUPT_RECORD" });
});

test("what one block cannot hold is refused", () => {
  const one = blockOf(files[0] as Uint8Array);
  const many = (count: number) => sealSeekBlock(Array(count).fill(one), Array(count).fill(0));
  assert.equal(readSeekFacts(openSeekBlock(many(maxBlockSamples))).length, maxBlockSamples);
  for (const bad of [
    () => many(maxBlockSamples + 1),
    () => sealSeekBlock([], []),
    () => sealSeekBlock([one], []),
    () => sealSeekBlock([one], [100]),
    () => sealSeekBlock([one], [2 ** 53]),
  ])
    assert.throws(bad, { code: "INVALID_ARGUMENT" });
});

test("a damaged sealed block is refused, cut anywhere or with any bit flipped", () => {
  const bytes = sealed();
  const codes = new Set(["CHECKSUM_MISMATCH", "CORRUPT_RECORD"]);
  const refused = (block: Uint8Array) =>
    assert.throws(
      () => openSeekBlock(block),
      (error: { code?: string }) => codes.has(error.code ?? ""),
    );
  const random = randomFor(5, "sealed damage");
  for (let round = 0; round < 300; round++) {
    refused(bytes.subarray(0, random.below(bytes.length)));
    const changed = bytes.slice();
    const at = random.below(bytes.length);
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    refused(changed);
  }
});

test("behind a right checksum too, numbers that cannot be are refused or make no difference to memory", () => {
  const bytes = sealed();
  const random = randomFor(6, "forged blocks");
  let opened = 0;
  for (let round = 0; round < 600; round++) {
    const forged = bytes.slice();
    for (let k = random.below(3); k >= 0; k--)
      forged[sealedHeaderBytes + random.below(round % 2 === 0 ? 600 : bytes.length - sealedHeaderBytes)] =
        random.below(256);
    new DataView(forged.buffer).setUint32(8, crc32c(forged.subarray(sealedHeaderBytes)), true);
    let block: Uint8Array;
    try {
      block = openSeekBlock(forged);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "CORRUPT_RECORD");
      continue;
    }
    opened++;
    const sample = random.below(files.length);
    const facts = readSeekFacts(block)[sample];
    if (facts === undefined) continue;
    const view = someView(facts.width, facts.height, random);
    const shown = seekView(block, files[sample] as Uint8Array, view, { blockSample: sample, checked: false });
    if ("failure" in shown) assert.match(shown.failure.code, /^(CORRUPT_RECORD|TOO_MANY_PIXELS)$/);
  }
  assert.ok(opened > 100);
});

test("an open block is checked whenever it is used", () => {
  const random = randomFor(7, "open damage");
  const block = openSeekBlock(sealed());
  for (let round = 0; round < 600; round++) {
    const changed = block.slice();
    const most = round % 2 === 0 ? 16 + 56 * files.length : block.length;
    changed[random.below(most)] = random.below(256);
    const sample = random.below(files.length);
    const { width, height } = recordOf(files[sample] as Uint8Array);
    const view = someView(width, height, random);
    const shown = seekView(changed, files[sample] as Uint8Array, view, { blockSample: sample });
    if ("failure" in shown)
      assert.match(shown.failure.code, /^(CORRUPT_RECORD|CHECKSUM_MISMATCH|TOO_MANY_PIXELS|INVALID_ARGUMENT)$/);
  }
  assert.ok("block" in buildSeekSample(files[0] as Uint8Array, { maxPixels: 1e8 }), "the addon is as it was");
});
