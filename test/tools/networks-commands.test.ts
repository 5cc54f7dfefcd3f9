import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { networks } from "../../src/train/networks/definitions.js";
import { dctstream, lastJson } from "../support/command-line.js";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { twoClasses } from "../support/two-classes.js";

interface Entry {
  readonly id: string;
  readonly parameters: number;
  readonly gmacs: number;
  readonly receptiveFieldHalfWay?: number;
  readonly inputs: { name: string; shape: number[] }[];
  readonly paper?: { top1Error: number; speedRatio: number };
  readonly layers?: { name: string; out: number[] }[];
}

const entries = async (...args: string[]) => {
  const done = await dctstream(["networks", ...args, "--json"]);
  assert.equal(done.status, 0, done.stderr);
  return lastJson(done).networks as Entry[];
};

test("networks prints the table of all, and the layers of one", async () => {
  const all = await entries();
  assert.deepEqual(
    all.map(({ id }) => id),
    networks.map(({ id }) => id),
  );
  const thinner = all.find(({ id }) => id === "late-concat-rfa-thinner");
  assert.deepEqual([thinner?.parameters, thinner?.gmacs, thinner?.receptiveFieldHalfWay], [24_679_400, 2.888, 64]);
  assert.deepEqual(thinner?.paper, { top1Error: 24.61, top5Error: 7.43, speedRatio: 1.77 });
  const [one] = await entries("resnet50-rgb", "--classes", "10", "--width", "0.5", "--input-size", "64");
  assert.deepEqual(one?.layers?.at(-2)?.out, [10]);
  assert.deepEqual(one?.inputs, [{ name: "rgb", shape: [64, 64, 3] }]);
  const text = await dctstream(["networks", "late-concat"]);
  assert.match(text.stdout, /^res4x_branch2b +conv +14x14x256 +16 +65536 +12\.8 +res4x_branch2a_relu$/m);
});

test("variants of inputs leave out the networks that cannot have them; what cannot be is wrong usage", async () => {
  const grey = await entries("--grey", "--frequencies", "24");
  assert.ok(grey.length >= 8 && grey.every(({ inputs }) => inputs.length === 1 && inputs[0]?.shape[2] === 14));
  for (const args of [["resnet50-rgb", "--grey"], ["resnet50-rgb", "--input-size", "100"], ["resnet-50"]]) {
    const { status, stderr } = await dctstream(["networks", ...args]);
    assert.equal(status, 2, stderr);
  }
});

test("train, convert to safetensors and back, evaluate in two precisions: one network all the way", async (t) => {
  const folder = temporaryFolder(t);
  const manifest = await twoClasses(folder, 64, "train");
  const at = (name: string) => path.join(folder, name);
  const trained = await dctstream(
    "train,--network,late-concat-rfa,--width,0.125,--input-size,64,--frequencies,24,--grey,--batch-size,16,--max-steps,60,--lr,0.05,--no-augment,--json"
      .split(",")
      .concat([manifest, "--out", at("run")]),
  );
  assert.equal(trained.status, 0, trained.stderr);
  assert.match(lastJson(trained).device as string, /^CPU/);
  for (const [from, to] of [
    ["run", "w.safetensors"],
    ["w.safetensors", "again"],
  ] as const) {
    const done = await dctstream(["convert", at(from), at(to)]);
    assert.equal(done.status, 0, done.stderr);
  }
  assert.deepEqual(readFileSync(at("again/weights.bin")), readFileSync(at("run/weights.bin")));
  assert.deepEqual(readFileSync(at("again/checkpoint.json")), readFileSync(at("run/checkpoint.json")));
  for (const precision of ["float32", "bfloat16"]) {
    const done = await dctstream(["evaluate", at("again"), manifest, "--precision", precision, "--json"]);
    assert.equal(done.status, 0, done.stderr);
    const { top1, samples } = lastJson(done) as { top1: number; samples: number };
    assert.equal(samples, 64);
    assert.ok(top1 > 0.85, `${precision}: ${top1}`);
  }
  const refused = await dctstream(["convert", at("run"), at("other")]);
  assert.equal(refused.status, 2, refused.stderr);
  const gpu = await dctstream(["evaluate", at("run"), manifest, "--device", "gpu"]);
  assert.equal(gpu.status, 1);
  assert.match(gpu.stderr, /NO_GPU: TensorFlow found no GPU/);
});

test("docs/networks.md names every network, in the table of speeds too", () => {
  const text = readFileSync(path.join(projectRoot, "docs", "networks.md"), "utf8");
  for (const { id } of networks) assert.match(text, new RegExp(`^\\| ${id.replace(".", "\\.")} \\| \\d`, "m"), id);
});
