import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { commands } from "../../tools/commands/index.js";
import { sampleEntries } from "../support/dataset.js";
import { projectRoot, temporaryFolder, writeTar } from "../support/files.js";

const text = readFileSync(path.join(projectRoot, "README.md"), "utf8");

test("the README's program runs as it stands", async (t) => {
  const folder = temporaryFolder(t);
  await writeTar(path.join(folder, "train-000.tar"), sampleEntries(130));
  const code = /```ts\n([\s\S]*?)```/.exec(text)?.[1];
  assert.ok(code);
  // Inside the package, so that it can import itself by name.
  const program = path.join(projectRoot, "dist", `readme-${process.pid}.mjs`);
  t.after(() => rmSync(program, { force: true }));
  writeFileSync(
    program,
    code.replace("const [y,", "console.log(batch.arrays[0].data.length, batch.samples); const [y,"),
  );
  const done = spawnSync(process.execPath, [program], { cwd: folder, encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  assert.deepEqual(done.stdout.trim().split("\n"), Array(2).fill(`${64 * 28 * 28 * 64} 64`));
});

test("the README's table names every command", () => {
  for (const { usage } of commands) assert.ok(text.includes(`| \`${usage.split(" ")[0]}`), usage);
});
