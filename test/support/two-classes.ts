// A data set that a small network learns in seconds.
import path from "node:path";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { randomFor } from "../../src/shards/random.js";
import { makeDemoImage } from "../../tools/demo/images.js";
import { writeTar } from "./files.js";

/** The JPEG of sample i: two classes that differ in hue and pattern, from the demo's generator. */
export function twoClassImage(name: string, i: number): Uint8Array {
  return makeDemoImage(i % 2 === 0 ? 0 : 7, randomFor(1, name, i)).jpeg;
}

/** Makes shards of `count` samples and returns their manifest; sample i is of class i modulo 2. */
export async function twoClasses(folder: string, count: number, name: string): Promise<string> {
  const entries = Array.from({ length: count }, (_, i) => {
    const label = [`${name}${i}.cls`, String(i % 2)] as const;
    const text = [`${name}${i}.json`, JSON.stringify({ name: i % 2 === 0 ? "amber" : "blue" })] as const;
    return [[`${name}${i}.jpg`, twoClassImage(name, i)] as const, label, text];
  }).flat();
  const source = await writeTar(path.join(folder, `${name}.tar`), entries);
  return (await preprocess({ sources: [source], out: path.join(folder, name) })).manifest;
}

/** A run in which every small network learns them. */
export const quickRun = {
  width: 0.125,
  inputSize: 32,
  batchSize: 16,
  maxSteps: 40,
  learningRate: 0.05,
  schedule: "cosine",
  zeroInit: true,
  augment: false,
  seed: 2,
} as const;
