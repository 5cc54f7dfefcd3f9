// Compiles .node files with node-gyp, without a download and in a checkout of any name, and finds out whether one that
// is there can be loaded.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inModules } from "./packages.mjs";
import { filesUnder, hashOf, platform, root, run, SetupError, say, setupDir, step } from "./steps.mjs";
import { hasMpi } from "./system.mjs";

/** Letters that neither make, nor the shell, nor gyp reads as anything else. */
const isPlain = (location) => /^[\w./+@~,=-]+$/.test(location);

/** No program that is given several paths in one text, as the linker is, can be given these. */
export function refuseFolder(location = root) {
  const names = { ":": "a colon", "\n": "a line break", "\r": "a carriage return", "\t": "a tab", "\\": "a backslash" };
  const found = [...location].find((letter) => letter in names || letter < " ");
  if (found === undefined) return;
  const name = names[found] ?? `the control character ${found.codePointAt(0)}`;
  throw new SetupError(
    `the path of this folder has ${name} in it: ${JSON.stringify(location)}`,
    "move or clone it to a path without",
  );
}

/** Whether this Node can load the file; in a process of its own, which a damaged one may end. */
export function loads(file) {
  const script = "require(process.argv[1])";
  return existsSync(file) && spawnSync(process.execPath, ["-e", script, file], { stdio: "ignore" }).status === 0;
}

/**
 * A folder with Node's headers as node-gyp wants them, under `location`: those beside the running Node, or else, since
 * node-gyp would download them and cannot know what it gets, Node-API's own from npm, which are the same for every
 * Node.
 */
export function nodeHeaders(location, prefix = path.resolve(path.dirname(process.execPath), "..")) {
  const folder = path.join(location, "node-headers");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, "include"), { recursive: true });
  const include = path.join(folder, "include", "node");
  const installed = path.join(prefix, "include", "node");
  if (["node_api.h", "common.gypi"].every((name) => existsSync(path.join(installed, name)))) {
    symlinkSync(installed, include, "dir");
    return folder;
  }
  cpSync(inModules("node-api-headers", "include"), include, { recursive: true });
  copyFileSync(path.join(root, "tools", "setup", "common.gypi"), path.join(include, "common.gypi"));
  return folder;
}

/** A folder to build in whose path is plain, with the sources copied and everything else linked. */
function stage(sources) {
  const location = mkdtempSync(path.join(isPlain(tmpdir()) ? tmpdir() : "/tmp", "dctstream-build-"));
  symlinkSync(path.join(root, "node_modules"), path.join(location, "node_modules"), "dir");
  for (const [from, to] of sources) {
    const isSource = (file) => !path.relative(path.join(root, from), file).split(path.sep).includes("build");
    cpSync(path.join(root, from), path.join(location, to), { recursive: true, filter: isSource });
  }
  return location;
}

/**
 * Runs node-gyp in `folder` of the project or of its copy, and puts `product`, which it makes there, to `target` in
 * that folder of the project. `sources` are what the copy needs, as pairs of where it is and where it goes.
 */
export function build({
  name,
  folder,
  product,
  target = product,
  sources,
  stagedFolder = folder,
  prepare,
  flags = [],
  setup,
}) {
  const location = isPlain(root) ? root : stage(sources);
  try {
    const work = path.join(location, location === root ? folder : stagedFolder);
    if (location !== root) prepare?.(work);
    const headers = nodeHeaders(location === root ? setupDir : location);
    const gyp = path.join(location, "node_modules", "node-gyp", "bin", "node-gyp.js");
    const args = [
      ...(location === root ? [] : asNamed),
      gyp,
      "rebuild",
      "--directory",
      work,
      "--jobs",
      "max",
      `--nodedir=${headers}`,
      ...flags,
    ];
    run(name, process.execPath, args, "read the compiler's message above; a C++17 compiler and make are needed");
    return install(path.join(work, product), path.join(root, folder, target), setup);
  } finally {
    if (location !== root) rmSync(location, { recursive: true, force: true });
  }
}

/** node-gyp writes the paths of its own files into makefiles: they have to be those of the copy. */
const asNamed = ["--preserve-symlinks", "--preserve-symlinks-main"];

/** Puts a built file where it belongs, whole, with the note from which the loader reports what it was built for. */
function install(from, to, setup = "node tools/setup.mjs") {
  if (from !== to) {
    mkdirSync(path.dirname(to), { recursive: true });
    copyFileSync(from, `${to}.new`);
    renameSync(`${to}.new`, to);
  }
  writeFileSync(`${to}.built`, `${JSON.stringify({ node: process.version, platform, setup })}\n`);
}

const isNative = (name) => /\.(cc|h|inl|gyp)$/.test(name);

export function addon() {
  const product = path.join("build", "Release", "dctstream.node");
  const sources = [path.join(root, "binding.gyp"), ...filesUnder(path.join(root, "src", "native"), isNative)];
  return step(
    "addon",
    hashOf(sources, platform),
    () => loads(path.join(root, product)),
    "compiling src/native",
    () =>
      build({
        name: "addon",
        folder: ".",
        product,
        sources: ["binding.gyp", path.join("src", "native")].map((from) => [from, from]),
      }),
  );
}

/** An addon in a folder of its own, with its own binding.gyp. */
function ownAddon(name, folder, file, ...inputs) {
  const product = path.join("build", "Release", file);
  return step(
    name,
    hashOf(
      filesUnder(path.join(root, folder), (source) => isNative(source)),
      platform,
      ...inputs,
    ),
    () => loads(path.join(root, folder, product)),
    `compiling ${folder}`,
    () => build({ name, folder, product, sources: [[folder, folder]] }),
  );
}

/** The addon for training on several ranks, where Open MPI is installed. */
export function mpi() {
  if (!hasMpi()) {
    say("mpi", "left out: Open MPI is not installed (libopenmpi-dev); only training on several machines needs it");
    return undefined;
  }
  const version = run("mpi", "mpicxx", ["--showme:version"], "");
  return ownAddon("mpi", path.join("src", "train", "collective", "native"), "dctstream_mpi.node", version);
}

/** Our kernels for TensorFlow, built against its headers. `version` names the TensorFlow. */
export function kernels(version) {
  return ownAddon("kernels", path.join("src", "train", "engine", "native"), "dctstream_kernels.node", version);
}
