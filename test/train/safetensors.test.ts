import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { buildNetwork } from "../../src/train/networks/build.js";
import { encodeSafetensors, parseSafetensors, type StoredTensors } from "../../src/train/saved/safetensors.js";
import { exportWeights, importWeights } from "../../src/train/saved/weights.js";
import { rejectsWith } from "../support/errors.js";
import { namedWeights, pattern } from "../support/tensors.js";

const { tf } = await openEngine();

const example: StoredTensors = {
  tensors: new Map([
    ["a.weight", { shape: [2, 3], values: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ["scalar", { shape: [], values: Float32Array.of(-7) }],
    ["empty", { shape: [0, 4], values: new Float32Array(0) }],
  ]),
  metadata: { format: "pt" },
};

test("the bytes are as the format says: length, header, values; and come back", () => {
  const bytes = encodeSafetensors(example);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  assert.equal((8 + length) % 8, 0, "the values are aligned");
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString());
  assert.deepEqual(header["a.weight"], { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] });
  assert.equal(bytes.length, 8 + length + 28);
  assert.deepEqual(parseSafetensors(bytes, "x"), example);
});

test("half precision, bfloat16 and double are read as float32", () => {
  const header = {
    half: { dtype: "F16", shape: [5], data_offsets: [0, 10] },
    brain: { dtype: "BF16", shape: [2], data_offsets: [10, 14] },
    double: { dtype: "F64", shape: [1], data_offsets: [14, 22] },
  };
  const text = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(8 + text.length + 22);
  bytes.writeBigUInt64LE(BigInt(text.length));
  text.copy(bytes, 8);
  const data = bytes.subarray(8 + text.length);
  const bits = [0x3c00, 0xc248, 0x0001, 0x7c00, 0x8000, 0x3fc0, 0xc120];
  for (const [i, value] of bits.entries()) data.writeUInt16LE(value, 2 * i);
  data.writeDoubleLE(0.1, 14);
  const { tensors } = parseSafetensors(bytes, "x");
  assert.deepEqual([...(tensors.get("half")?.values ?? [])], [1, -3.140625, 2 ** -24, Infinity, -0]);
  assert.deepEqual([...(tensors.get("brain")?.values ?? [])], [1.5, -10]);
  assert.deepEqual([...(tensors.get("double")?.values ?? [])], [Math.fround(0.1)]);
});

test("a file cut anywhere, or with a header that lies, is refused and not read past its end", async () => {
  const bytes = encodeSafetensors(example);
  for (let end = 0; end < bytes.length; end += 5)
    await rejectsWith("BAD_CHECKPOINT", () => parseSafetensors(bytes.subarray(0, end), "x"), /safetensors/);
  const change = (from: string, to: string) => {
    const at = Buffer.from(bytes).indexOf(from);
    const copy = Buffer.from(bytes);
    copy.write(to, at);
    return copy;
  };
  const lies = [
    change('"F32"', '"I64"'),
    change("[2,3]", "[9,3]"),
    change("[0,24]", "[8,24]"),
    change('{"__meta', '["__meta'),
    change("24,28", "24,99"),
  ];
  for (const lie of lies) await rejectsWith("BAD_CHECKPOINT", () => parseSafetensors(lie, "x"), /safetensors/);
  const huge = Buffer.from(bytes);
  huge.writeBigUInt64LE(2n ** 62n);
  await rejectsWith("BAD_CHECKPOINT", () => parseSafetensors(huge, "x"), /header/);
});

for (const id of ["deconvolution-rfa", "vit-dct-ti"]) {
  test(`${id}: all weights go out under PyTorch's names and come back the same`, async () => {
    const shape = { classes: 3, width: 0.5, inputSize: 32 };
    const [one, other] = [buildNetwork(tf, id, { ...shape, seed: 1 }), buildNetwork(tf, id, { ...shape, seed: 2 })];
    const weights = namedWeights(one.model);
    tf.tidy(() => {
      for (const [name, weight] of weights) weight.assign(tf.tensor(pattern(weight.size, name), weight.shape) as never);
    });
    const tensors = await exportWeights(tf, one.model);
    assert.equal(tensors.size, weights.size);
    // PyTorch has out before in, and height before width.
    const kernel = weights.get("fc/kernel") as Tensor;
    assert.deepEqual(tensors.get("fc.weight")?.shape, [...kernel.shape].reverse());
    const [inputs] = kernel.shape as [number, number];
    assert.equal(tensors.get("fc.weight")?.values[inputs], pattern(kernel.size, "fc/kernel")[1]);
    if (id === "deconvolution-rfa") {
      assert.deepEqual(tensors.get("res3a_branch2b.weight")?.shape, [64, 64, 3, 3]);
      assert.deepEqual(tensors.get("conv_cb_upsample.weight")?.shape, [64, 64, 2, 2]);
      assert.ok(tensors.has("bn_input.running_var") && tensors.has("bn_input.bias"));
    }
    importWeights(tf, other.model, parseSafetensors(encodeSafetensors({ tensors, metadata: {} }), "x"), "x");
    for (const [name, weight] of namedWeights(other.model))
      assert.deepEqual(weight.dataSync(), (weights.get(name) as Tensor).dataSync(), name);
    const without = (name: string) => new Map([...tensors].filter(([key]) => key !== name));
    const into = (changed: StoredTensors["tensors"]) => () =>
      importWeights(tf, other.model, { tensors: changed, metadata: {} }, "x");
    const small = { shape: [1], values: new Float32Array(1) };
    await rejectsWith("BAD_CHECKPOINT", into(without("fc.bias")), /fc.bias .* is missing/);
    await rejectsWith(
      "BAD_CHECKPOINT",
      into(new Map([...tensors, ["fc.bias", small]])),
      /expected shape \[3\], found \[1\]/,
    );
    await rejectsWith("BAD_CHECKPOINT", into(new Map([...tensors, ["head.bias", small]])), /head.bias/);
    one.model.dispose();
    other.model.dispose();
  });
}
