// Names and keys from outside may hold what a terminal obeys: no command hands it on.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { dctstream, lastJson, type Outcome } from "../support/command-line.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { twoClassImage } from "../support/two-classes.js";

/**
 * Colours red, sets the window's title, deletes the line, goes to its start, turns the direction, and begins another
 * line.
 */
const hostile = "\u001b[31m\u001b]0;title\u0007\u009b2K\r\u202egpj\u2066\n\u2028x\u007f";
const inKeys = "\u202egpj\u2066\u2028x"; // keys hold no control characters
const network = ["--network", "late-concat", "--width", "0.125", "--input-size", "32", "--batch-size", "8"];

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

function checkShown(found: Outcome, name: string): Outcome {
  for (const text of [found.stdout, found.stderr]) {
    const at = text.search(obeyed);
    assert.equal(at, -1, `${name}: ${JSON.stringify(text.slice(Math.max(0, at - 80), at + 20))}`);
  }
  return found;
}

test("hostile class names and keys reach no terminal, whatever the command", async (t) => {
  const folder = temporaryFolder(t);
  const image = (i: number) => twoClassImage("hostile", i);
  const entries = Array.from({ length: 16 }, (_, i) => {
    const json = JSON.stringify({ label: i % 2, name: `class ${i % 2} ${hostile}` });
    return [[`${i}${inKeys}.jpg`, image(i)] as const, [`${i}${inKeys}.json`, json] as const];
  }).flat();
  const source = await writeTar(path.join(folder, `s${inKeys}.tar`), [
    ...entries,
    [`bad${inKeys}.jpg`, "no picture"],
    [`bad${inKeys}.cls`, "0"],
    [`worse${hostile}.jpg`, image(0)],
    [`worse${hostile}.json`, `{"label":${JSON.stringify(hostile)}}`],
  ]);
  const [data, run] = [path.join(folder, `data${inKeys}`), path.join(folder, "run")];
  const shown = async (...args: string[]) => checkShown(await dctstream(args), args.join(" "));

  const made = await shown("preprocess", source, "--out", data, "--json");
  assert.deepEqual([lastJson(made).samples, lastJson(made).failed], [16, 2], made.stderr);
  const listed = readFileSync(path.join(data, "errors.jsonl"), "utf8");
  assert.equal(listed.search(obeyed), -1, "nor by cat");
  const failures = listed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { entry: string });
  assert.deepEqual(
    failures.map(({ entry }) => entry),
    [`bad${inKeys}.jpg`, `worse${hostile}.jpg`],
  );
  const strict = await shown("preprocess", source, "--out", path.join(folder, "strict"), "--on-error", "fail");
  assert.match(strict.stderr, /NOT_A_JPEG: .*bad\\u202egpj/);

  await shown("inspect", data);
  await shown("inspect", data, "--json");
  assert.match((await shown("inspect", data, "--key", `0${inKeys}`)).stdout, /0\\u202egpj/);
  assert.match((await shown("inspect", data, "--key", hostile)).stderr, /UNKNOWN_KEY: .*\\x1b\[31m/);
  await shown("train", data, ...network, "--max-steps", "1", "--val", data, "--out", run);
  for (const json of [[], ["--json"]]) {
    const evaluated = await shown("evaluate", run, data, ...json);
    assert.match(evaluated.stdout, /class [01] \\[xu]/, evaluated.stderr);
    const predicted = await shown("predict", run, data, source, ...json);
    assert.match(predicted.stdout, /\\u202egpj/, predicted.stderr);
  }
  const profiled = await shown("profile", "read", data, "--view", "dct", "--seconds", "0.2", "--workers", "1");
  assert.equal(profiled.status, 0, profiled.stderr);
  assert.equal((await shown("profile", "preprocess", source, "--seconds", "0.2", "--workers", "1")).status, 0);

  const shard = path.join(data, "shard-00000-00000.arrow");
  const bytes = readFileSync(shard);
  for (let at = bytes.length >> 1; at < bytes.length - 4096; at += 1000) bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(shard, bytes);
  const verified = await shown("verify", data);
  assert.equal(verified.status, 1);
  assert.match(verified.stdout, /\\u202egpj/);
});
