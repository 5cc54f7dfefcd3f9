import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { arithmeticKind, cmykKind, jpegKinds, makeJpeg, progressiveKind } from "../support/jpegs.js";

test("the native cores pass address and undefined-behaviour sanitizers on good and damaged input", (t) => {
  const folder = temporaryFolder(t);
  const cores = path.join(projectRoot, "src", "native");
  const sources = readdirSync(cores).filter((name) => name.endsWith(".cc") && name !== "binding.cc");
  const program = path.join(folder, "sanitize_cores");
  const flags = [
    "-std=c++17",
    "-O1",
    "-g",
    "-march=x86-64-v2",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
  ];
  const files = [
    path.join(projectRoot, "test", "native", "sanitize_cores.cc"),
    ...sources.map((name) => path.join(cores, name)),
  ];
  const arch = process.arch === "x64" ? flags : flags.filter((flag) => !flag.startsWith("-march"));
  const built = spawnSync("g++", [...arch, "-Wno-psabi", ...files, "-ljpeg", "-lzstd", "-o", program], {
    encoding: "utf8",
  });
  assert.equal(built.status, 0, built.stderr);
  const jpegs = [...jpegKinds, progressiveKind, arithmeticKind, cmykKind].map((kind, i) => {
    const file = path.join(folder, `${i}.jpg`);
    writeFileSync(file, makeJpeg(kind));
    return file;
  });
  const done = spawnSync(program, ["25", ...jpegs], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr.slice(0, 4000));
  const counts = /ok: (\d+) read, (\d+) rebuilt, (\d+) refused, (\d+) damaged/.exec(done.stdout)?.slice(1).map(Number);
  assert.ok(
    counts?.every((count) => count > 20),
    done.stdout,
  );
});
