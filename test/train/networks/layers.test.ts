import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { findNetwork } from "../../../src/train/networks/build.js";
import { networks } from "../../../src/train/networks/definitions.js";
import { layersOf } from "../../../src/train/networks/layers-of.js";
import { parseStages } from "../../../src/train/networks/stages.js";
import { fieldHalfWay, summarize, totals } from "../../../src/train/networks/summary.js";
import { rejectsWith } from "../../support/errors.js";

/** Read off the authors' diagrams: name, operation, kernel, stride, output, receptive field, total stride. */
type PublishedLayer = [string, string, number, number, number[], number, number];
interface Published {
  readonly trainable: number;
  readonly frozen: number;
  readonly macs: number;
  readonly convolutions: number;
  readonly layers: readonly PublishedLayer[];
}
const fixture = new URL("../../../../test/fixtures/networks.json", import.meta.url);
const published = JSON.parse(readFileSync(fixture, "utf8")) as Record<string, Published>;

test("all twenty networks of the paper are there, and those beyond it", () => {
  const ids = networks.map(({ id }) => id);
  assert.equal(Object.keys(published).length, 20);
  for (const id of Object.keys(published)) assert.ok(ids.includes(id), id);
  for (const id of ["resnet50-ycbcr", "dct-resnet", "vit-dct-ti", "vit-dct-s"]) assert.ok(ids.includes(id), id);
  assert.equal(new Set(ids).size, ids.length);
});

for (const [id, expected] of Object.entries(published)) {
  test(`${id}: every layer's shape, kernel, stride and receptive field, the parameters and the multiply-accumulates are the published ones`, () => {
    const summaries = summarize(layersOf(findNetwork(id)));
    const byName = new Map(summaries.map((layer) => [layer.name, layer]));
    for (const [name, op, kernel, stride, out, field, totalStride] of expected.layers) {
      const layer = byName.get(name);
      assert.ok(layer, `${name} is missing`);
      // The diagrams pool to [1, 1, c] and flatten after that; ours is flat at once.
      const shape = op === "avgpool" ? [out[2]] : out;
      assert.deepEqual(
        [layer.kernel, layer.stride, layer.out, layer.receptiveField, layer.totalStride],
        [kernel, stride, shape, field, totalStride],
        name,
      );
    }
    const convolutions = summaries.filter(({ op }) => op === "conv" || op === "deconv");
    assert.equal(convolutions.length, expected.convolutions);
    const { parameters, fixedParameters, macs } = totals(summaries);
    assert.deepEqual([parameters, macs], [expected.trainable, expected.macs]);
    const statistics = summaries
      .filter(({ op }) => op === "batch-norm")
      .reduce((sum, { out }) => sum + 2 * (out.at(-1) as number), 0);
    assert.equal(fixedParameters - statistics, expected.frozen);
  });
}

test("the transformers have the sizes of their published kind; the modern network costs no more than Thinner", () => {
  const sums = (id: string) => totals(summarize(layersOf(findNetwork(id))));
  // ViT-Ti/16 and ViT-S/16 at 224 pixels: 5.7 and 22 million parameters, 1.26 and 4.6 GMACs, with RGB patches and a
  // class token.
  assert.ok(Math.abs(sums("vit-dct-ti").parameters / 5.7e6 - 1) < 0.03);
  assert.ok(Math.abs(sums("vit-dct-s").parameters / 22e6 - 1) < 0.03);
  assert.ok(Math.abs(sums("vit-dct-ti").macs / 1.26e9 - 1) < 0.03);
  assert.ok(Math.abs(sums("vit-dct-s").macs / 4.6e9 - 1) < 0.03);
  assert.ok(sums("dct-resnet").macs <= sums("late-concat-rfa-thinner").macs);
});

test("the block notation: kernels, strides, widths and the paper's names, also around blocks that are left out", () => {
  const names = new Map<string, number>();
  const blocks = [
    ...parseStages("3[96,384] P3/1 I3x3 | 4[192,768] P3/2", names),
    ...parseStages("4x[128,256] P1/1", names),
    ...parseStages("4[256,1024] I3x2", names),
  ];
  assert.deepEqual(
    blocks.map(({ name }) => name),
    ["3a", "3b", "3c", "3d", "4a", "4x", "4b", "4c"],
  );
  assert.deepEqual(blocks[4], { name: "4a", kind: "projection", kernel: 3, stride: 2, bottleneck: 192, width: 768 });
  assert.deepEqual(
    parseStages("3[128,512] P3/2 - - I3").map(({ name }) => name),
    ["3a", "3d"],
  );
  assert.throws(() => parseStages("3[96] P3/1"), SyntaxError);
});

test("receptive fields grow as the authors' article says: about 70 pixels in ResNet-50, 110 in UpSampling, the RFA variants like ResNet-50", () => {
  const field = (id: string) => fieldHalfWay(summarize(layersOf(findNetwork(id)))) as number;
  assert.equal(field("resnet50-rgb"), 67);
  assert.equal(field("upsampling"), 104);
  assert.equal(field("upsampling-rfa"), 64);
  assert.equal(field("late-concat-rfa-thinner"), 64);
  assert.equal(fieldHalfWay(summarize(layersOf(findNetwork("vit-dct-ti")))), undefined);
});

test("every network can be narrower, smaller, of other classes; DCT networks of selected frequencies and of luma alone", () => {
  for (const definition of networks) {
    for (const shape of [{ width: 0.25, inputSize: 64, classes: 10 }, { width: 1.5 }, { inputSize: 32 }]) {
      const layers = layersOf(definition, shape);
      const size = shape.inputSize ?? 224;
      assert.deepEqual(layers.at(-1)?.out, [shape.classes ?? 1000], definition.id);
      const [first] = layers;
      assert.deepEqual(first?.out, definition.input === "dct" ? [size / 8, size / 8, 64] : [size, size, 3]);
    }
    if (definition.input !== "dct") continue;
    const selected = layersOf(definition, { frequencies: 24 }).filter(({ op }) => op === "input");
    assert.deepEqual(
      selected.map(({ name, out }) => [name, ...out]),
      [
        ["y", 28, 28, 14],
        ["cb", 14, 14, 5],
        ["cr", 14, 14, 5],
      ],
    );
    const grey = layersOf(definition, { grey: true });
    assert.deepEqual(
      grey.filter(({ op }) => op === "input").map(({ name }) => name),
      ["y"],
    );
    const pooled = (layers: ReturnType<typeof layersOf>) => layers.find(({ name }) => name === "avg_pool")?.out;
    assert.deepEqual(pooled(grey), pooled(layersOf(definition)), `${definition.id}: luma alone gives as many features`);
  }
});

test("what no network can be is refused, and an unknown one names the nearest", async () => {
  const resnet = findNetwork("resnet50-rgb");
  await rejectsWith("UNKNOWN_NETWORK", () => findNetwork("resnet50_rgb"), /did you mean resnet50-rgb/);
  await rejectsWith("INVALID_OPTION", () => layersOf(resnet, { width: 0 }), /width/);
  await rejectsWith("INVALID_OPTION", () => layersOf(resnet, { classes: 1 }), /classes/);
  await rejectsWith("INVALID_OPTION", () => layersOf(resnet, { inputSize: 100 }), /multiple of 32/);
  await rejectsWith("INVALID_OPTION", () => layersOf(resnet, { frequencies: 24 }), /pixels/);
  await rejectsWith("INVALID_OPTION", () => layersOf(resnet, { grey: true }), /pixels/);
  await rejectsWith("INVALID_OPTION", () => layersOf(findNetwork("vit-dct-ti"), { width: 0.1 }), /heads/);
});
