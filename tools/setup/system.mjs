// The system's packages: found by trying what they bring, installed by apt where that may be done.
import { run, SetupError, say, succeeds } from "./steps.mjs";

const hasHeader = (name) => succeeds("g++", ["-E", "-x", "c++", "-"], `#include <cstdio>\n#include <${name}>\n`);

function buildsFuzzTarget() {
  const target =
    '#include <cstdint>\n#include <cstddef>\nextern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }\n';
  return succeeds("clang++", ["-x", "c++", "-", "-fsanitize=fuzzer,address", "-o", "/dev/null"], target);
}

/** Whether Open MPI's compiler is here, which knows where its headers and libraries are. */
export const hasMpi = () => succeeds("mpicxx", ["--showme:version"]);

/** Nothing can be built without these. */
const basic = [
  ["build-essential", () => succeeds("g++", ["--version"]) && succeeds("make", ["--version"])],
  ["python3", () => succeeds("python3", ["--version"])], // node-gyp is written in Python
  ["libjpeg-dev", () => hasHeader("jpeglib.h")],
  ["libzstd-dev", () => hasHeader("zstd.h")],
];

/** Brings TensorFlow. */
const forPip = [["python3-pip", () => succeeds("python3", ["-m", "pip", "--version"])]];

const forTests = [
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
];

const missingOf = (needs) => needs.filter(([, present]) => !present()).map(([name]) => name);

function install(missing) {
  const command = ["apt-get", "install", "-y", "--no-install-recommends", ...missing];
  const message = `system packages are missing: ${missing.join(", ")}`;
  if (process.getuid?.() !== 0) throw new SetupError(message, `sudo apt-get update && sudo ${command.join(" ")}`);
  if (!succeeds("apt-get", ["--version"]))
    throw new SetupError(message, "install their equivalents with this system's package manager");
  say("system", `installing ${missing.join(", ")} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const cure = "check the machine's package sources and network";
  run("system", "apt-get", ["update"], cure, { env });
  run("system", "apt-get", command.slice(1), cure, { env });
}

/**
 * Installs what is missing. Throws when something that everything needs cannot be had; what only TensorFlow or the
 * tests need is left to the caller, who gets the failure.
 */
export function systemPackages({ tests, pip }) {
  const needs = [...basic, ...(pip ? forPip : []), ...(tests ? forTests : [])];
  const missing = missingOf(needs);
  if (missing.length === 0) {
    say("system", "up to date");
    return undefined;
  }
  try {
    install(missing);
    const still = missingOf(needs);
    if (still.length > 0)
      throw new SetupError(`system: installed, but still not usable: ${still.join(", ")}`, "reinstall them");
    say("system", "done");
    return undefined;
  } catch (error) {
    if (missingOf(basic).length > 0) throw error;
    return error;
  }
}
