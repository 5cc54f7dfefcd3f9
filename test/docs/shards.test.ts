import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { packCoefficients, rowsPerFrame } from "../../src/native/index.js";
import { recordColumns, shardMetadata } from "../../src/shards/record.js";
import { projectRoot } from "../support/files.js";

const text = readFileSync(path.join(projectRoot, "docs", "shards.md"), "utf8");

function block(info: string): string {
  const found = new RegExp(`\`\`\`${info}\n([\\s\\S]*?)\`\`\``).exec(text)?.[1];
  assert.ok(found, `no block marked ${info}`);
  return found;
}

test("the worked example is what the addon writes", () => {
  const blocks = JSON.parse(block("json coefficients")) as number[][];
  const coefficients = new Int16Array(64 * blocks.length);
  for (const [i, values] of blocks.entries()) coefficients.set(values, 64 * i);
  const hex = block("hex bytes")
    .split("\n")
    .flatMap((line) => line.slice(0, 42).match(/\b[0-9a-f]{2}\b/g) ?? []);
  const packed = packCoefficients(coefficients, [{ h: 1, v: 1, storedWide: blocks.length, storedHigh: 1 }], "none");
  assert.deepEqual(
    [...packed],
    hex.map((byte) => Number.parseInt(byte, 16)),
  );
});

test("every column and every schema key is described", () => {
  for (const name of Object.keys(recordColumns)) assert.ok(text.includes(`\`${name}\``), name);
  for (const key of shardMetadata("zstd").keys()) assert.ok(text.includes(`\`${key}\``), key);
  assert.ok(text.includes(`frames of ${rowsPerFrame} block rows`));
});
