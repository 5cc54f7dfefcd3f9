import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { openEngine } from "../../src/train/engine/open-engine.js";
import { buildNetwork } from "../../src/train/networks/build.js";
import { networks } from "../../src/train/networks/definitions.js";
import { saveCheckpoint } from "../../src/train/saved/checkpoint.js";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { pattern, relativeError } from "../support/tensors.js";

/**
 * Loads model.json with nothing but @tensorflow/tfjs, on its JavaScript backend, and prints the output for inputs of a
 * formula.
 */
const plain = `
  const { readFileSync } = require("node:fs");
  const tf = require("@tensorflow/tfjs");
  const [folder, inputs] = process.argv.slice(1);
  (async () => {
    await tf.setBackend("cpu");
    const { modelTopology, weightsManifest } = JSON.parse(readFileSync(folder + "/model.json", "utf8"));
    const bytes = readFileSync(folder + "/weights.bin");
    const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    const weightSpecs = weightsManifest.flatMap(({ weights }) => weights);
    const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
    const tensors = JSON.parse(readFileSync(inputs, "utf8")).map(({ shape, values }) => tf.tensor(values, shape));
    console.log(JSON.stringify([...model.predict(tensors).dataSync()]));
  })();
`;

for (const { id } of networks.filter(({ id: name }) =>
  /rgb|thinner|deconvolution|ortho|dct-resnet|vit-dct-ti|frozen-x2/.test(name),
)) {
  test(`${id}: what is saved is a standard model that plain tfjs loads and runs`, async (t) => {
    const folder = temporaryFolder(t);
    const { tf } = await openEngine();
    const shape = { classes: 4, width: id.startsWith("vit") ? 0.5 : 0.125, inputSize: 32 };
    const { model } = buildNetwork(tf, id, shape);
    const info = {
      network: id,
      input: "dct",
      grey: false,
      epochs: 0,
      steps: 0,
      seed: 0,
      trainedOn: "",
      ...shape,
    } as const;
    await saveCheckpoint(tf, model, info, folder);
    const inputs = model.inputs.map((input, i) => {
      const size = [2, ...(input.shape.slice(1) as number[])];
      return { shape: size, values: [...pattern(tf.util.sizeFromShape(size), `input ${i}`)] };
    });
    const file = `${folder}/inputs.json`;
    writeFileSync(file, JSON.stringify(inputs));
    const done = spawnSync(process.execPath, ["-e", plain, folder, file], { cwd: projectRoot, encoding: "utf8" });
    const found = JSON.parse(done.stdout.trim().split("\n").at(-1) ?? done.stderr) as number[];
    const expected = tf.tidy(() =>
      (model.predict(inputs.map(({ shape: size, values }) => tf.tensor(values, size))) as Tensor).dataSync(),
    );
    assert.ok(relativeError(found, expected) < 1e-4, `${relativeError(found, expected)}`);
    model.dispose();
  });
}
