import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bytes, flag, integers, oneOf, text, texts } from "../../src/options/kinds.js";
import { complete, given, omit, optionTable, pick, type Table } from "../../src/options/table.js";
import { loaderOptions } from "../../src/pipeline/load/options.js";
import { preprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { engineOptions } from "../../src/train/engine/engine.js";
import { classCountOption, networkOptions } from "../../src/train/networks/layers-of.js";
import { trainOptions } from "../../src/train/run-options.js";
import { readConfig } from "../../tools/options/config.js";
import { byFlag, flagsOf, givenOptions, inFlags, positionalsOf } from "../../tools/options/flags.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";

const entries = optionTable({
  sources: { kind: texts, required: true, describe: "Sources" },
  out: { kind: text, required: true, describe: "Output" },
  shardBytes: { kind: bytes(), default: 1024, describe: "Size" },
  codec: { kind: oneOf(["zstd", "none"]), default: "zstd", flag: "compression", describe: "Codec" },
  passes: { kind: integers(1, 9), default: 1, flag: false, describe: "Passes" },
  cache: {
    options: {
      folder: { kind: text, required: true, flag: "cache", describe: "Folder" },
      expanded: { kind: flag, default: false, flag: "cache-expanded", describe: "Expanded" },
    },
  },
  policy: {
    options: {
      brightness: { kind: integers(0, 10), flag: "jitter", describe: "Strength" },
      contrast: { kind: integers(0, 10), flag: "jitter", describe: "Strength" },
    },
  },
});
const flags = flagsOf(entries, positionalsOf("make <sources..>"));

test("options are completed with defaults, nested ones only where they are given", () => {
  const least = { sources: ["a"], out: "b" };
  assert.deepEqual(complete(entries, least), {
    ...{ sources: ["a"], out: "b", shardBytes: 1024, codec: "zstd", passes: 1 },
    ...{ cache: undefined, policy: undefined },
  });
  const cache = complete(entries, { ...least, cache: { folder: "c" } }).cache;
  assert.deepEqual(cache, { folder: "c", expanded: false });
  assert.equal(complete(entries, { ...least, cache: { expanded: false } as never }).cache, undefined, "only declined");
  assert.deepEqual(given(pick(entries, ["out", "passes"]), least), { out: "b" });
  assert.deepEqual(Object.keys(omit(entries, ["cache", "policy", "passes"])), [
    "sources",
    "out",
    "shardBytes",
    "codec",
  ]);
});

test("every default of ours is a value that its option can have", () => {
  const tables = { preprocessOptions, loaderOptions, trainOptions, networkOptions, classCountOption, engineOptions };
  let defaults = 0;
  const check = (table: Table, name: string) => {
    for (const [key, entry] of Object.entries(table)) {
      if ("options" in entry) check(entry.options, `${name}.${key}`);
      else if (entry.default !== undefined) {
        assert.ok(entry.kind.accepts(entry.default), `${name}.${key}: ${entry.default}`);
        defaults++;
      }
    }
  };
  for (const [name, table] of Object.entries(tables)) check(table, name);
  assert.ok(defaults > 50, `${defaults} defaults`);
});

test("what is missing or out of range is an error with the key's path", async () => {
  const wrong = (options: object, message: RegExp) =>
    rejectsWith("INVALID_OPTION", () => complete(entries, { sources: ["a"], out: "b", ...options }), message);
  await wrong({ out: undefined }, /^INVALID_OPTION: option out is missing$/);
  await wrong({ passes: 10 }, /option passes must be an integer from 1 to 9, found 10/);
  await wrong({ codec: "gzip" }, /option codec must be zstd, none, found "gzip"/);
  await wrong({ cache: { expanded: true } }, /option cache\.folder is missing: `cache\.expanded` needs it/);
  await wrong({ cache: { folder: 5 } }, /option cache\.folder must be text, found 5/);
  await wrong({ cache: "folder" }, /option cache must be an object of options/);
  await wrong({ policy: { contrast: Number.NaN } }, /option policy\.contrast must be/);
});

test("flags: names of their own, several options of one, none, positional ones", () => {
  assert.deepEqual(
    flags.map(({ name, positional }) => [name, positional]),
    [
      ["sources", true],
      ["out", false],
      ["shard-bytes", false],
      ["compression", false],
      ["cache", false],
      ["cache-expanded", false],
      ["jitter", false],
    ],
  );
  const parsed = {
    sources: ["a", "b"],
    "shard-bytes": "2KiB",
    compression: "none",
    "cache-expanded": true,
    jitter: "3",
  };
  const options = {
    ...{ sources: ["a", "b"], shardBytes: 2048, codec: "none" },
    ...{ cache: { expanded: true }, policy: { brightness: 3, contrast: 3 } },
  };
  assert.deepEqual(givenOptions(flags, parsed), options);
  assert.deepEqual(byFlag(flags, options), { ...parsed, "shard-bytes": 2048, jitter: 3 });
});

test("messages of the library name flags on a command line", () => {
  assert.equal(inFlags("option codec must be x, found 1", flags), "--compression must be x, found 1");
  assert.equal(
    inFlags("option cache.folder is missing: `cache.expanded` needs it", flags),
    "--cache is missing: --cache-expanded needs it",
  );
  assert.equal(
    inFlags("choose `out`, not `elsewhere`, for `sources`", flags),
    "choose --out, not `elsewhere`, for <sources>",
  );
});

test("values as text are read by their kinds, and what was typed is named", async () => {
  const read = (name: string, value: unknown) => givenOptions(flags, {}, new Map([[name, value]]));
  assert.deepEqual(read("jitter", 4), { policy: { brightness: 4, contrast: 4 } });
  await rejectsWith(
    "INVALID_OPTION",
    () => read("jitter", "four"),
    /policy\.brightness must be an integer from 0 to 10, found "four"/,
  );
  await rejectsWith("INVALID_OPTION", () => read("jitter", "-1"), /found -1/);
  await rejectsWith("INVALID_OPTION", () => read("shard-bytes", "1 parsec"), /must be a size such as 64MiB/);
  await rejectsWith("INVALID_OPTION", () => read("cache-expanded", "yes"), /true or false, found "yes"/);
  await rejectsWith("INVALID_OPTION", () => read("out", 5), /out must be text/);
});

test("a configuration file has flags as keys, and others are named with the nearest", async (t) => {
  const file = path.join(temporaryFolder(t), "c.yaml");
  const read = (content: string) => {
    writeFileSync(file, content);
    return readConfig(file, flags);
  };
  assert.deepEqual(
    [...read("shardBytes: 1KiB\ncompression: none\nout:\n")],
    [
      ["shard-bytes", "1KiB"],
      ["compression", "none"],
      ["out", undefined],
    ],
  );
  await rejectsWith(
    "INVALID_OPTION",
    () => read("cmpression: none"),
    /unknown key cmpression; did you mean compression\? \(.*c\.yaml\)/,
  );
  await rejectsWith("INVALID_OPTION", () => read("- a"), /expected a mapping/);
});
