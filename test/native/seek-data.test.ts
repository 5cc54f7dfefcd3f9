// Files of every kind that we make, and real ones where they are at hand: refused by the index, or described and shown
// bit for bit as their packed records are.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { extract } from "tar-stream";
import {
  buildSeekSample,
  factNumbers,
  openSeekBlock,
  parseFacts,
  sealSeekBlock,
  unchangedColor,
} from "../../src/native/index.js";
import { planView } from "../../src/pipeline/load/view.js";
import { type Random, randomFor } from "../../src/shards/random.js";
import { extraData } from "../support/files.js";
import { jpegKinds, makeJpeg, progressiveKind } from "../support/jpegs.js";
import { factsOf, formsOf, neededBytes, packedView, recordOf, sameBits, seekView } from "../support/seek-views.js";

const size = 64;

/** The first images of a tar. */
async function imagesIn(tar: string, most: number): Promise<Uint8Array[]> {
  const images: Uint8Array[] = [];
  for await (const entry of createReadStream(tar).pipe(extract())) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    if (/\.jpe?g$/i.test(entry.header.name)) images.push(new Uint8Array(Buffer.concat(chunks)));
    if (images.length === most) break;
  }
  return images;
}

function compareViews(file: Uint8Array, block: Uint8Array, random: Random): void {
  const record = recordOf(file);
  const forms = formsOf(size, random);
  for (const augment of ["train", "train", "eval"] as const) {
    const form = forms[random.below(forms.length)] as (typeof forms)[number];
    const axes = planView(record.width, record.height, { kind: "dct", size, augment }, random);
    const view = { form, color: unchangedColor, ...axes };
    const { start, bytes } = neededBytes(block, file, view);
    const shown = seekView(block, bytes, view, { firstByte: start });
    assert.ok("out" in shown && sameBits(shown.out, packedView(record, view)), JSON.stringify(view));
  }
}

/** How many of the files can be indexed; of each of those the same is said and shown as of its packed record. */
function compareAll(files: readonly Uint8Array[], stream: string): number {
  const random = randomFor(8, "seek data", stream);
  let indexed = 0;
  for (const file of files) {
    const facts = new Float64Array(factNumbers);
    const made = buildSeekSample(file, { maxPixels: 4e6 }, facts);
    if ("refused" in made) continue;
    indexed++;
    assert.deepEqual(parseFacts(facts), factsOf(file));
    compareViews(file, openSeekBlock(sealSeekBlock([made.block], [0])), random);
  }
  return indexed;
}

test("files of our own: what can be indexed is shown as its packed records are", () => {
  const files = [...jpegKinds, progressiveKind].map((kind, i) => makeJpeg(kind, i));
  const indexed = compareAll(files, "own");
  assert.ok(indexed > 0 && indexed < files.length, `${indexed} of ${files.length}`);
});

for (const [name, most, leastIndexed] of [
  ["imagenet-wds-000000.tar", 24, 1],
  ["imagenette-val-000000.tar", 60, 1],
  ["torture.tar", 700, 0.05],
] as const) {
  for (const tar of extraData(name)) {
    test(`${path.basename(tar)}: what can be indexed is shown as its packed records are`, async () => {
      const files = await imagesIn(tar, most);
      const indexed = compareAll(files, name);
      assert.ok(files.length > 0 && indexed >= leastIndexed * files.length, `${indexed} of ${files.length}`);
    });
  }
}
