// TensorFlow: its libraries out of Python wheels of known hashes, and the binding of @tensorflow/tfjs-node-gpu compiled
// against them.
import { cpSync, existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { build, kernels, loads } from "./native.mjs";
import { inModules } from "./packages.mjs";
import { pip, requirementsFile, requirementsIn } from "./python.mjs";
import { cacheDir, hashOf, platform, root, run, SetupError, say, step } from "./steps.mjs";

const packageDir = inModules("@tensorflow", "tfjs-node-gpu");
const deps = path.join(packageDir, "deps");

/** The list of pinned wheels that is to be set up: of the CPU build, or with --gpu of one's own. */
export function wheelList(gpu, given) {
  const file = given === undefined ? requirementsFile(gpu ? "tensorflow-gpu" : "tensorflow-cpu") : path.resolve(given);
  const where = given === undefined ? "" : ` --gpu-requirements ${file}`;
  const setup = `node tools/setup.mjs${gpu ? " --gpu" : ""}${where}`;
  if (existsSync(file)) return { kind: gpu ? "gpu" : "cpu", file, setup };
  throw new SetupError(
    `tensorflow: there is no ${file}: setup downloads only what a list with hashes names, and this project has none of the CUDA wheels, several GB`,
    `make one where pip reaches an index that you trust: node tools/pin-wheels.mjs tensorflow-gpu${given === undefined ? "" : ` --out ${file}`}; then ${setup}`,
  );
}

const versionIn = (requirements) => /==(\S+)/.exec(requirements[0] ?? "")?.[1];

/** The folder in the cache with everything the binding links against, taken out of the wheels. */
function libraries({ kind, file }) {
  const requirements = requirementsIn(file);
  const own = kind === "gpu" ? `-${hashOf([], ...requirements).slice(0, 12)}` : "";
  const home = path.join(cacheDir, `tensorflow-${kind}-${versionIn(requirements)}${own}`);
  if (existsSync(path.join(home, "lib", "libtensorflow.so.2"))) {
    say("tensorflow", `libraries found in ${home}`);
    return home;
  }
  mkdirSync(cacheDir, { recursive: true });
  const staging = mkdtempSync(path.join(cacheDir, "unpacking-"));
  const [wheels, unpacked] = [path.join(staging, "wheels"), path.join(staging, "home")];
  try {
    const size = kind === "gpu" ? "3 GB" : "274 MB";
    say("tensorflow", `fetching ${requirements.join(", ")} (about ${size}, once; kept in ${cacheDir})`);
    const cure =
      `let pip reach an index with ${requirements[0]}, or put its wheel in a folder and name that in PIP_FIND_LINKS; ` +
      `setup takes it only with a hash that is in ${file}`;
    pip("tensorflow", ["download", "--no-deps", "--python-version", "3.11", "--dest", wheels], file, cure);
    const space = "check the free disk space: the libraries take about 1 GB unpacked";
    run("tensorflow", "python3", ["-c", unpackWheels, wheels, unpacked], space);
    rmSync(home, { recursive: true, force: true });
    renameSync(unpacked, home);
    return home;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

// Python's zipfile is the one unzip every machine with pip has. The linker wants the library names without the version,
// the loader with it.
const unpackWheels = `
import os, shutil, sys, zipfile
wheels, home = sys.argv[1:]
os.makedirs(home + "/lib")
libraries = {"tensorflow/libtensorflow_cc.so.2": "libtensorflow.so.2", "tensorflow/libtensorflow_framework.so.2": "libtensorflow_framework.so.2"}
for wheel in sorted(os.listdir(wheels)):
    with zipfile.ZipFile(os.path.join(wheels, wheel)) as archive:
        for name in archive.namelist():
            base = os.path.basename(name)
            if name in libraries: target = "lib/" + libraries[name]
            elif name.startswith("nvidia/") and ".so" in base: target = "lib/" + base
            elif name.startswith("tensorflow/include/") and not name.endswith("/"): target = name[len("tensorflow/"):]
            else: continue
            os.makedirs(os.path.dirname(os.path.join(home, target)), exist_ok=True)
            with archive.open(name) as source, open(os.path.join(home, target), "wb") as out: shutil.copyfileobj(source, out, 1 << 20)
for name in ("tensorflow", "tensorflow_framework"): os.symlink(f"lib{name}.so.2", f"{home}/lib/lib{name}.so")
os.symlink("libtensorflow.so.2", home + "/lib/libtensorflow_cc.so.2")
`;

/** Replaces whatever stands at `link` by a link to `target`; a plain copy where links are not allowed. */
function linkDirectory(target, link) {
  const isLink = lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  if (isLink || existsSync(link)) rmSync(link, { recursive: true, force: true });
  try {
    symlinkSync(target, link, "dir");
  } catch {
    cpSync(target, link, { recursive: true });
  }
}

/** The libraries, the binding, and our kernels for them. */
export async function tensorflow(list) {
  const folder = path.relative(root, packageDir);
  const binding = path.join("lib", "napi-v8", "tfjs_binding.node"); // where the package looks for it
  const pinned = hashOf([], list.kind, ...requirementsIn(list.file));
  await step(
    "tensorflow",
    hashOf([path.join(packageDir, "binding.gyp")], platform, pinned),
    // A cache that was emptied leaves a dangling link behind, and a binding that cannot be loaded.
    () => loads(path.join(packageDir, binding)),
    `setting up for @tensorflow/tfjs-node-gpu (${list.kind})`,
    () => {
      linkDirectory(libraries(list), deps);
      say("tensorflow", "compiling the binding against it");
      build({
        name: "tensorflow",
        folder,
        product: path.join("build", "Release", "tfjs_binding.node"),
        target: binding,
        sources: ["binding.gyp", "binding"].map((name) => [path.join(folder, name), path.join("tfjs-node-gpu", name)]),
        stagedFolder: "tfjs-node-gpu",
        prepare: (location) => symlinkSync(deps, path.join(location, "deps"), "dir"),
        // What node-pre-gyp, which the package is otherwise built with, tells its binding.gyp; it makes a copy in the
        // path given.
        flags: ["--module_name=tfjs_binding", "--module_path=./copy", "--napi_build_version=8"],
        setup: list.setup,
      });
    },
  );
  await kernels(pinned);
}
