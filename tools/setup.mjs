// Sets a fresh machine up: system packages, npm packages, the addon, TensorFlow, the TypeScript build.
// Needs nothing but Node. Every step is skipped when its inputs have not changed since it last succeeded.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const cacheDir =
  process.env.DCTSTREAM_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "dctstream");
const stampDir = path.join(root, ".cache", "setup");
const nodePlatform = `${process.version}-${process.platform}-${process.arch}`;
const usage = `usage: node tools/setup.mjs [--tests] [--gpu] [--without-tensorflow]

  --tests               also install what only the tests need (clang, Ceph, Chromium, Open MPI; numpy and pyarrow, beside the project's cache)
  --gpu                 TensorFlow with CUDA instead of the CPU build
  --without-tensorflow  everything but TensorFlow; train, evaluate and demo stay unavailable
`;

/** The wheels we know, by pip requirement; sha256 is checked before anything is unpacked. */
const tensorflowWheels = {
  cpu: {
    requirement: "tensorflow-cpu==2.21.0",
    sha256: {
      "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl":
        "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c",
    },
  },
  gpu: { requirement: "tensorflow[and-cuda]==2.21.0", sha256: {} },
};
const testPythonPackages = ["numpy==2.4.6", "pyarrow==25.0.1"];

class SetupError extends Error {
  constructor(message, cure) {
    super(message);
    this.cure = cure;
  }
}

function say(step, text) {
  process.stderr.write(`setup: ${step.padEnd(11)} ${text}\n`);
}

/** Runs a command with its output kept; shows the end of it only when it failed. */
function run(step, command, args, cure, options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (done.status === 0) return done.stdout;
  const reason = done.error ? done.error.message : `exit status ${done.status ?? done.signal}`;
  const tail = `${done.stdout ?? ""}${done.stderr ?? ""}`.trim().split("\n").slice(-25).join("\n");
  throw new SetupError(`${step}: '${[command, ...args].join(" ")}' failed (${reason})\n${tail}`, cure);
}

function succeeds(command, args, input) {
  return spawnSync(command, args, { input, stdio: ["pipe", "ignore", "ignore"] }).status === 0;
}

function filesUnder(dir, keep) {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && keep(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function hashOf(files, ...extra) {
  const hash = createHash("sha256");
  for (const text of extra) hash.update(`${text}\0`);
  for (const file of files) hash.update(path.relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** Does `work` unless its stamp holds `fingerprint` and `output` exists; the stamp is written last. */
async function step(name, fingerprint, output, doing, work) {
  const stamp = path.join(stampDir, name);
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint)
    return say(name, "up to date");
  const started = Date.now();
  say(name, `${doing} ...`);
  rmSync(stamp, { force: true });
  await work();
  mkdirSync(stampDir, { recursive: true });
  writeFileSync(stamp, fingerprint);
  say(name, `done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function buildsFuzzTarget() {
  const target =
    '#include <cstdint>\n#include <cstddef>\nextern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }\n';
  return succeeds("clang++", ["-x", "c++", "-", "-fsanitize=fuzzer,address", "-o", "/dev/null"], target);
}

/** Whether Open MPI's compiler is here, which says where its headers and libraries are. */
const hasMpi = () => succeeds("mpicxx", ["--showme:version"]);

function systemPackages(forTests) {
  const hasHeader = (name) => succeeds("g++", ["-E", "-x", "c++", "-"], `#include <cstdio>\n#include <${name}>\n`);
  const needs = [
    ["build-essential", () => succeeds("g++", ["--version"]) && succeeds("make", ["--version"])],
    ["python3", () => succeeds("python3", ["--version"])],
    ["python3-pip", () => succeeds("python3", ["-m", "pip", "--version"])],
    ["libjpeg-dev", () => hasHeader("jpeglib.h")],
    ["libzstd-dev", () => hasHeader("zstd.h")],
    ...(forTests
      ? [
          // For the fuzz targets: GCC has no libFuzzer.
          ["clang", () => succeeds("clang++", ["--version"])],
          ["libclang-rt-dev", () => buildsFuzzTarget()],
          // A real browser, and with it a GPU in software that WebGPU's tests run on.
          ["chromium", () => succeeds("chromium", ["--version"])],
          ["libvulkan1", () => succeeds("sh", ["-c", "ldconfig -p | grep -q libvulkan.so.1"])],
          // A real S3 service: Ceph's gateway, with a monitor and an object store behind it.
          ["radosgw", () => succeeds("radosgw", ["--version"]) && succeeds("radosgw-admin", ["--version"])],
          ["ceph-mon", () => succeeds("ceph-mon", ["--version"]) && succeeds("ceph", ["--version"])],
          ["ceph-osd", () => succeeds("ceph-osd", ["--version"])],
          // Training on several ranks, and networks of their own for some of them.
          ["openmpi-bin", () => succeeds("mpirun", ["--version"])],
          ["libopenmpi-dev", hasMpi],
          ["iproute2", () => succeeds("ip", ["-V"])],
          // Syntax of the scripts in deploy/.
          ["shellcheck", () => succeeds("shellcheck", ["--version"])],
        ]
      : []),
  ];
  const missing = needs.filter(([, present]) => !present()).map(([name]) => name);
  if (missing.length === 0) return say("system", "up to date");
  const install = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (process.getuid?.() !== 0)
    throw new SetupError(
      `system packages are missing: ${missing.join(", ")}`,
      `sudo apt-get update && sudo ${install}`,
    );
  if (!succeeds("apt-get", ["--version"]))
    throw new SetupError(
      `system packages are missing: ${missing.join(", ")}`,
      "install their equivalents with this system's package manager",
    );
  say("system", `installing ${missing.join(", ")} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  run("system", "apt-get", ["update"], "check the machine's package sources and network", { env });
  run("system", "apt-get", install.split(" ").slice(1), "check the machine's package sources and network", { env });
  const still = needs.filter(([, present]) => !present()).map(([name]) => name);
  if (still.length > 0)
    throw new SetupError(`installed, but still not usable: ${still.join(", ")}`, `reinstall them: ${install}`);
  say("system", "done");
}

function npmPackages() {
  const fingerprint = hashOf([path.join(root, "package-lock.json")], nodePlatform);
  return step(
    "npm",
    fingerprint,
    path.join(root, "node_modules", "tar-stream"),
    "installing packages (npm ci --ignore-scripts)",
    () => {
      run(
        "npm",
        "npm",
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        "check that the npm registry is reachable, then run this again",
      );
    },
  );
}

/** Node's own headers where they are installed beside the binary; node-gyp downloads them otherwise. */
function nodeHeaderArgs() {
  const prefix = path.resolve(path.dirname(process.execPath), "..");
  return existsSync(path.join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : [];
}

const bin = (name) => path.join(root, "node_modules", ".bin", name);

function addon() {
  const sources = [
    path.join(root, "binding.gyp"),
    ...filesUnder(path.join(root, "src", "native"), (name) => /\.(cc|h)$/.test(name)),
  ];
  return step(
    "addon",
    hashOf(sources, nodePlatform),
    path.join(root, "build", "Release", "dctstream.node"),
    "compiling src/native",
    () => {
      run(
        "addon",
        bin("node-gyp"),
        ["rebuild", "--jobs", "max", ...nodeHeaderArgs()],
        "read the compiler's message above; node-gyp needs a C++17 compiler, make, and network access for Node's headers if they are not installed",
      );
    },
  );
}

async function sha256OfFile(file) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest("hex");
}

/** Fetches the wheels into `folder`; the reason when they cannot be had. */
function fetchWheels(kind, folder) {
  const { requirement, sha256 } = tensorflowWheels[kind];
  const size = kind === "gpu" ? "3 GB" : "274 MB";
  say("tensorflow", `fetching ${requirement} (about ${size}, once; kept in ${cacheDir})`);
  const which = ["--only-binary=:all:", ...(kind === "gpu" ? [] : ["--no-deps"]), "--python-version", "3.11"];
  const cure = `check that pip can reach a package index holding ${requirement}`;
  try {
    run("tensorflow", "python3", ["-m", "pip", "download", "--quiet", ...which, "--dest", folder, requirement], cure);
  } catch (error) {
    return error.message;
  }
  const missing = Object.keys(sha256).find((name) => !existsSync(path.join(folder, name)));
  return missing === undefined ? undefined : `pip brought ${readdirSync(folder).join(", ")}, expected ${missing}`;
}

/** A wheel of other bytes than the pinned ones is never unpacked, and nothing else is tried in its place. */
async function checkWheels(kind, folder) {
  for (const [name, expected] of Object.entries(tensorflowWheels[kind].sha256)) {
    const found = await sha256OfFile(path.join(folder, name));
    if (found === expected) continue;
    const cure = "the download is damaged or was replaced; run this again, or check the package index";
    throw new SetupError(`tensorflow: ${name} has sha256 ${found}, expected ${expected}`, cure);
  }
}

/**
 * The folder in the cache with everything the binding links against, taken out of the wheels; undefined, with the reason said, when no
 * wheel can be had.
 */
async function tensorflowLibraries(kind) {
  const home = path.join(cacheDir, `tensorflow-${kind}-2.21.0`);
  if (existsSync(path.join(home, "lib", "libtensorflow.so.2"))) {
    say("tensorflow", `libraries found in ${home}`);
    return home;
  }
  mkdirSync(cacheDir, { recursive: true });
  const staging = mkdtempSync(path.join(cacheDir, "unpacking-"));
  const [wheels, unpacked] = [path.join(staging, "wheels"), path.join(staging, "home")];
  try {
    const problem = fetchWheels(kind, wheels);
    if (problem !== undefined) {
      say("tensorflow", `no wheel could be had: ${problem}`);
      return undefined;
    }
    await checkWheels(kind, wheels);
    const cure = "check the free disk space: the libraries take about 1 GB unpacked";
    run("tensorflow", "python3", ["-c", unpackWheels, wheels, unpacked], cure);
    rmSync(home, { recursive: true, force: true });
    renameSync(unpacked, home);
    return home;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

// Python's zipfile is the one unzip every machine with pip has. The linker wants the library names without the version, the loader with it.
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
  if (existsSync(link) || isLink(link)) rmSync(link, { recursive: true, force: true });
  try {
    symlinkSync(target, link, "dir");
  } catch {
    cpSync(target, link, { recursive: true });
  }
}

function isLink(file) {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function tensorflow(kind) {
  const packageDir = path.join(root, "node_modules", "@tensorflow", "tfjs-node-gpu");
  const binding = path.join(packageDir, "lib", "napi-v8", "tfjs_binding.node");
  const libraries = path.join(packageDir, "deps", "lib", "libtensorflow.so.2");
  const fingerprint = hashOf(
    [path.join(packageDir, "binding.gyp")],
    nodePlatform,
    kind,
    tensorflowWheels[kind].requirement,
  );
  // A cache that was emptied leaves a dangling link behind: then the library, not the binding, is the missing output.
  const output = existsSync(libraries) ? binding : libraries;
  return step("tensorflow", fingerprint, output, `setting up for @tensorflow/tfjs-node-gpu (${kind})`, async () => {
    const home = await tensorflowLibraries(kind);
    if (home === undefined) {
      say("tensorflow", "trying the package's own download instead");
      const env = { ...process.env, PATH: `${path.dirname(bin("x"))}:${process.env.PATH}` };
      const cure = "let pip reach an index with the wheel named above, or run setup with --without-tensorflow";
      run("tensorflow", "node", ["scripts/install.js", kind], cure, { cwd: packageDir, env });
      return;
    }
    linkDirectory(home, path.join(packageDir, "deps"));
    say("tensorflow", "compiling the binding against it");
    run(
      "tensorflow",
      bin("node-pre-gyp"),
      ["install", "--build-from-source", ...nodeHeaderArgs()],
      "read the compiler's message above",
      {
        cwd: packageDir,
        env: { ...process.env, npm_config_node_gyp: path.join(root, "node_modules", "node-gyp", "bin", "node-gyp.js") },
      },
    );
  });
}

/** Compiles the addon of a folder of its own. */
function buildAddon(name, folder) {
  const args = ["rebuild", "--directory", folder, "--jobs", "max", ...nodeHeaderArgs()];
  run(name, bin("node-gyp"), args, "read the compiler's message above");
}

/** Our kernels for TensorFlow, built against its headers; without them TensorFlow's own do the same, slower. */
function kernels() {
  const folder = path.join(root, "src", "train", "engine", "native");
  const deps = path.join(root, "node_modules", "@tensorflow", "tfjs-node-gpu", "deps");
  if (!existsSync(path.join(deps, "include", "tensorflow", "c", "kernels.h")))
    return say("kernels", "left out: this TensorFlow came without the headers to build them");
  const sources = filesUnder(folder, (name) => /\.(cc|h|gyp)$/.test(name));
  const version = path.join(deps, "include", "tensorflow", "core", "public", "release_version.h");
  return step(
    "kernels",
    hashOf([...sources, ...(existsSync(version) ? [version] : [])], nodePlatform),
    path.join(folder, "build", "Release", "dctstream_kernels.node"),
    "compiling src/train/engine/native",
    () => buildAddon("kernels", folder),
  );
}

/** The addon for training on several ranks, where Open MPI is installed. */
function mpi() {
  if (!hasMpi())
    return say(
      "mpi",
      "left out: Open MPI is not installed (libopenmpi-dev); only training on several machines needs it",
    );
  const folder = path.join(root, "src", "train", "collective", "native");
  const version = run("mpi", "mpicxx", ["--showme:version"], "");
  return step(
    "mpi",
    hashOf(
      filesUnder(folder, (name) => /\.(cc|h|gyp)$/.test(name)),
      nodePlatform,
      version,
    ),
    path.join(folder, "build", "Release", "dctstream_mpi.node"),
    "compiling src/train/collective/native",
    () => buildAddon("mpi", folder),
  );
}

function typescript() {
  const isSource = (name) => /\.(c?ts|json)$/.test(name);
  const sources = ["src", "tools", "test", "bench"].flatMap((dir) => filesUnder(path.join(root, dir), isSource));
  const fingerprint = hashOf([path.join(root, "tsconfig.json"), ...sources], nodePlatform);
  const main = path.join(root, "dist", "tools", "dctstream.js");
  const command = bin("dctstream"); // npm links the commands of dependencies, not the project's own
  return step("typescript", fingerprint, command, "compiling to dist/", () => {
    rmSync(path.join(root, "dist"), { recursive: true, force: true });
    run("typescript", bin("tsc"), ["-p", "tsconfig.json"], "fix the errors above");
    chmodSync(main, 0o755);
    rmSync(command, { force: true });
    symlinkSync(path.relative(path.dirname(command), main), command);
  });
}

/** numpy and pyarrow for the tests of examples/python, installed beside nothing else: a --target folder in the cache. */
function testPython() {
  const home = path.join(cacheDir, `python-${hashOf([], ...testPythonPackages).slice(0, 12)}`);
  return step(
    "python",
    home,
    path.join(home, "pyarrow"),
    `installing ${testPythonPackages.join(", ")} for the tests`,
    () => {
      if (existsSync(home)) return;
      mkdirSync(cacheDir, { recursive: true });
      const staging = mkdtempSync(path.join(cacheDir, "python-"));
      run(
        "python",
        "python3",
        ["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target", staging, ...testPythonPackages],
        "check that pip can reach a package index holding them",
      );
      renameSync(staging, home);
    },
  );
}

async function main() {
  const known = ["--tests", "--gpu", "--without-tensorflow", "--help"];
  const args = process.argv.slice(2);
  const unknown = args.find((arg) => !known.includes(arg));
  if (unknown !== undefined || args.includes("--help")) {
    process.stderr.write(unknown === undefined ? usage : `unknown option ${unknown}\n\n${usage}`);
    process.exit(unknown === undefined ? 0 : 2);
  }
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20)
    throw new SetupError(`Node ${process.version} found, Node 20 or later needed`, "install a current Node.js");
  systemPackages(args.includes("--tests"));
  await npmPackages();
  await addon();
  if (!args.includes("--without-tensorflow")) {
    await tensorflow(args.includes("--gpu") ? "gpu" : "cpu");
    await kernels();
    await mpi();
  }
  await typescript();
  if (args.includes("--tests")) await testPython();
}

main().catch((error) => {
  process.stderr.write(
    `setup: failed: ${error.message}\n${error.cure ? `setup: cure: ${error.cure}\n` : `${error.stack}\n`}`,
  );
  process.exit(1);
});
