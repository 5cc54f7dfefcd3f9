import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { projectRoot, temporaryFolder } from "../support/files.js";

/** A checkout without anything built, in a folder of that name, with this one's npm packages. */
function checkout(t: TestContext, name: string): string {
  const folder = path.join(temporaryFolder(t), name);
  mkdirSync(folder);
  for (const part of ["tools/setup.mjs", "tools/setup", "src/train/collective/native"])
    cpSync(path.join(projectRoot, part), path.join(folder, part), {
      recursive: true,
      filter: (file) => !file.endsWith(`${path.sep}build`),
    });
  symlinkSync(path.join(projectRoot, "node_modules"), path.join(folder, "node_modules"), "dir");
  return folder;
}

function node(args: readonly string[], env: Record<string, string> = {}): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, text: stdout + stderr };
}

/** Runs statements with a module of setup/ of that checkout as `m`; a failure prints its message and its cure. */
function withModule(folder: string, file: string, script: string, env: Record<string, string> = {}) {
  const url = pathToFileURL(path.join(folder, "tools", "setup", file)).href;
  const failed = '(error) => { console.error(error.message + "\\ncure: " + error.cure); process.exit(1); }';
  return node(["-e", `import(${JSON.stringify(url)}).then(async (m) => { ${script} }).catch(${failed})`], env);
}

/** No index, and a cache with nothing in it. */
const alone = (t: TestContext) => ({ PIP_NO_INDEX: "1", PIP_FIND_LINKS: "", DCTSTREAM_CACHE: temporaryFolder(t) });

for (const name of ["a space", "größe", "it's $5 #1 (50%) & more"])
  test(`addons are compiled in a checkout called ${name}`, (t) => {
    const folder = checkout(t, name);
    const { status, text } = withModule(folder, "native.mjs", "m.refuseFolder(); await m.mpi();");
    assert.equal(status, 0, text);
    const product = path.join(folder, "src/train/collective/native/build/Release/dctstream_mpi.node");
    assert.equal(node(["-e", "require(process.argv[1])", product]).status, 0);
    const built = JSON.parse(readFileSync(`${product}.built`, "utf8"));
    assert.equal(built.node, process.version);
  });

test("a compiled file is built again when it cannot be loaded, which is the cure its error names, and else not", (t) => {
  const folder = checkout(t, "c");
  const product = path.join(folder, "src/train/collective/native/build/Release/dctstream_mpi.node");
  const mpi = () => withModule(folder, "native.mjs", "await m.mpi();").text;
  assert.match(mpi(), /mpi +compiling/);
  assert.match(mpi(), /mpi +up to date/);
  writeFileSync(product, "damaged");
  assert.match(mpi(), /mpi +compiling/);
  assert.equal(node(["-e", "require(process.argv[1])", product]).status, 0);
});

test("a path that no linker could be given is refused, and the letter named", (t) => {
  const { status, text } = node([path.join(checkout(t, "a:b"), "tools", "setup.mjs")]);
  assert.equal(status, 1);
  assert.match(text, /^setup: failed: the path of this folder has a colon in it: ".*a:b"\nsetup: cure: .*\n$/);
});

test("a Node without headers compiles with Node-API's own, without a download", (t) => {
  const folder = temporaryFolder(t);
  const make = `console.log(m.nodeHeaders(${JSON.stringify(folder)}, "/nowhere"))`;
  const headers = withModule(projectRoot, "native.mjs", make).text.trim();
  assert.ok(existsSync(path.join(headers, "include", "node", "node_api.h")));
  const target = { target_name: "small", sources: ["small.cc"], defines: ["NAPI_VERSION=8"] };
  writeFileSync(path.join(folder, "binding.gyp"), JSON.stringify({ targets: [target] }));
  const source =
    "#include <node_api.h>\nNAPI_MODULE_INIT() { napi_value n; napi_create_int32(env, 7, &n); return n; }\n";
  writeFileSync(path.join(folder, "small.cc"), source);
  const gyp = path.join(projectRoot, "node_modules", "node-gyp", "bin", "node-gyp.js");
  const { status, text } = node([gyp, "rebuild", "--directory", folder, `--nodedir=${headers}`]);
  assert.equal(status, 0, text);
  const file = path.join(folder, "build", "Release", "small.node");
  assert.equal(node(["-p", "require(process.argv[1])", file]).text.trim(), "7");
});

test("where the TensorFlow wheel cannot be had, that is said with what cures it", (t) => {
  const folder = checkout(t, "c");
  const { status, text } = withModule(folder, "tensorflow.mjs", "await m.tensorflow(m.wheelList(false));", alone(t));
  assert.equal(status, 1);
  assert.match(text, /cure: let pip reach an index with tensorflow-cpu==.*PIP_FIND_LINKS/);
});

/** A folder for pip with a wheel called as TensorFlow's, which holds nothing. */
function folderWithWheel(t: TestContext, name: string): string {
  const folder = temporaryFolder(t);
  const metadata = `Name: ${name}\nVersion: 2.21.0\n`;
  const script =
    "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z: z.writestr(sys.argv[2], sys.argv[3])";
  const stem = `${name.replace("-", "_")}-2.21.0`;
  const wheel = path.join(folder, `${stem}-cp311-cp311-manylinux_2_27_x86_64.whl`);
  assert.equal(spawnSync("python3", ["-c", script, wheel, `${stem}.dist-info/METADATA`, metadata]).status, 0);
  return folder;
}

test("a wheel of other bytes than the pinned ones is refused, from wherever it comes", (t) => {
  const folder = checkout(t, "c");
  const env = { ...alone(t), PIP_FIND_LINKS: folderWithWheel(t, "tensorflow-cpu") };
  const { status, text } = withModule(folder, "tensorflow.mjs", "await m.tensorflow(m.wheelList(false));", env);
  assert.equal(status, 1);
  assert.match(text, /DO NOT MATCH THE HASHES/);
});

test("a list of wheels that lacks a hash is refused", (t) => {
  const [folder, list] = [checkout(t, "c"), path.join(temporaryFolder(t), "gpu.txt")];
  writeFileSync(list, "tensorflow==2.21.0\n");
  const env = { ...alone(t), PIP_FIND_LINKS: folderWithWheel(t, "tensorflow") };
  const script = `await m.tensorflow(m.wheelList(true, ${JSON.stringify(list)}));`;
  const { status, text } = withModule(folder, "tensorflow.mjs", script, env);
  assert.equal(status, 1);
  assert.match(text, /Hashes are required/);
});

test("--gpu without a list of pinned wheels stops and says how to make one", (t) => {
  const folder = checkout(t, "c");
  const { status, text } = withModule(folder, "tensorflow.mjs", "m.wheelList(true);");
  assert.equal(status, 1);
  assert.match(
    text,
    /cure: make one .*node tools\/pin-wheels\.mjs tensorflow-gpu; then node tools\/setup\.mjs --gpu\n/,
  );
  for (const args of [["--gpu-requirements", "x"], ["--gpu", "--without-tensorflow"], ["--gpus"]])
    assert.equal(node([path.join(folder, "tools", "setup.mjs"), ...args]).status, 2);
});

test("everything that Python brings is pinned by a hash", () => {
  for (const name of ["tensorflow-cpu", "test-python"]) {
    const text = readFileSync(path.join(projectRoot, "tools", "setup", "requirements", `${name}.txt`), "utf8");
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    assert.ok(lines.length > 0);
    for (const line of lines) assert.match(line, /^[a-z-]+==[\d.]+( --hash=sha256:[0-9a-f]{64})+$/);
  }
});

test("every npm package of the lockfile has its hash", () => {
  const { packages } = JSON.parse(readFileSync(path.join(projectRoot, "package-lock.json"), "utf8"));
  const bare = Object.entries(packages as Record<string, { integrity?: string; link?: boolean }>)
    .filter(([name, { integrity, link }]) => name !== "" && integrity === undefined && link !== true)
    .map(([name]) => name);
  assert.deepEqual(bare, []);
});
