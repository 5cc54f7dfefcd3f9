import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { loadAddonFile } from "../../src/native/addon-file.js";
import { rejectsWith } from "../support/errors.js";
import { temporaryFolder } from "../support/files.js";

const help = { code: "ADDON_MISSING" } as const;
const running = `running under Node ${process.version} for ${process.platform}-${process.arch}`.replaceAll(".", "\\.");

/** Compiles a module that registers itself for the Node with that NODE_MODULE_VERSION, as one without Node-API does. */
function compileFor(moduleVersion: number, file: string): void {
  const source = `
    struct node_module { int version; unsigned flags; void* handle; const char* file; void* init; void* context_init; const char* name; void* data; void* next; };
    extern "C" void node_module_register(void*);
    static node_module self = {${moduleVersion}, 0, nullptr, "old.cc", nullptr, nullptr, "old", nullptr, nullptr};
    __attribute__((constructor)) static void enter() { node_module_register(&self); }`;
  const { status, stderr } = spawnSync("g++", ["-shared", "-fPIC", "-x", "c++", "-", "-o", file], { input: source });
  assert.equal(status, 0, String(stderr));
}

test("a compiled file that is not there is said to be not built, with the command that builds it", async () => {
  const message = /cannot load \/nowhere\/x\.node: it is not built; build it with: node tools\/setup\.mjs$/;
  await rejectsWith("ADDON_MISSING", () => loadAddonFile("/nowhere/x.node", help), message);
});

test("a damaged file is named, with what runs now and what cures it", async (t) => {
  const file = path.join(temporaryFolder(t), "x.node");
  writeFileSync(file, "not a shared library, but long enough to be looked at as one by the loader of this system");
  const message = new RegExp(`cannot load .*x\\.node: .*; ${running}; build it with: node tools/setup\\.mjs$`);
  await rejectsWith("ADDON_MISSING", () => loadAddonFile(file, help), message);
});

test("a file built for another Node says for which one, what it was built under and what runs now", async (t) => {
  const file = path.join(temporaryFolder(t), "x.node");
  compileFor(108, file);
  const built = { node: "v18.1.2", platform: "linux-x64", setup: "node tools/setup.mjs --gpu" };
  writeFileSync(`${file}.built`, JSON.stringify(built));
  const message = new RegExp(
    `cannot load TensorFlow: it is for Node 18 \\(module version 108, this Node has ${process.versions.modules}\\); ` +
      `built under Node v18\\.1\\.2 for linux-x64, ${running}; build it with: node tools/setup\\.mjs --gpu$`,
  );
  const problem = { code: "TENSORFLOW_MISSING", problem: "cannot load TensorFlow" } as const;
  await rejectsWith("TENSORFLOW_MISSING", () => loadAddonFile(file, problem), message);
});

test("a note beside the file that cannot be read hides nothing", async (t) => {
  const file = path.join(temporaryFolder(t), "x.node");
  writeFileSync(file, "");
  writeFileSync(`${file}.built`, "{");
  await rejectsWith("ADDON_MISSING", () => loadAddonFile(file, help), new RegExp(`; ${running}; build it with`));
});
