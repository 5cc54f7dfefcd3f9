// Sets a fresh machine up: system packages, npm packages, the addon, the TypeScript build, and last TensorFlow, which
// only training needs. Needs nothing but Node. Every step is skipped when its inputs have not changed since it last
// succeeded; the steps are in setup/.
import { parseArgs } from "node:util";
import { addon, mpi, refuseFolder } from "./setup/native.mjs";
import { npmPackages, typescript } from "./setup/packages.mjs";
import { testPython } from "./setup/python.mjs";
import { SetupError } from "./setup/steps.mjs";
import { systemPackages } from "./setup/system.mjs";
import { tensorflow, wheelList } from "./setup/tensorflow.mjs";

const usage = `usage: node tools/setup.mjs [--tests] [--gpu [--gpu-requirements FILE]] [--without-tensorflow]

  --tests                  also install what only the tests need (clang, Ceph, Chromium, Open MPI; numpy and pyarrow, beside the project's cache)
  --gpu                    TensorFlow with CUDA instead of the CPU build, from a list of wheels with their hashes that you make yourself:
                           node tools/pin-wheels.mjs tensorflow-gpu
  --gpu-requirements FILE  that list; default tools/setup/requirements/tensorflow-gpu.txt
  --without-tensorflow     everything but TensorFlow; train, evaluate, predict and demo stay unavailable

Exit status: 0 everything is set up, 1 something is missing (the last line says what), 2 wrong usage.
`;

const optionTypes = {
  tests: { type: "boolean", default: false },
  gpu: { type: "boolean", default: false },
  "gpu-requirements": { type: "string" },
  "without-tensorflow": { type: "boolean", default: false },
  help: { type: "boolean", default: false },
};

function readOptions() {
  try {
    const { values } = parseArgs({ options: optionTypes });
    if (values["gpu-requirements"] !== undefined && !values.gpu)
      throw new Error("--gpu-requirements goes with --gpu alone");
    if (values.gpu && values["without-tensorflow"])
      throw new Error("--gpu and --without-tensorflow exclude each other");
    return values;
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}

/** What could not be set up, and what that keeps from working. */
const missing = [];

function tell(error) {
  const cure = error instanceof SetupError ? `setup: cure: ${error.cure}\n` : `${error.stack}\n`;
  process.stderr.write(`setup: failed: ${error.message}\n${cure}`);
}

/** Does what the rest can do without; a failure is reported and remembered. */
async function attempt(what, work) {
  try {
    await work();
  } catch (error) {
    tell(error);
    missing.push(what);
  }
}

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`Node ${process.version} found, Node 20.19 or later needed`, "install a current Node.js");
}

async function main(options) {
  requireNode();
  refuseFolder();
  const withTensorflow = !options["without-tensorflow"];
  const refused = systemPackages({ tests: options.tests, pip: options.tests || withTensorflow });
  if (refused !== undefined) {
    tell(refused);
    missing.push("some system packages (only TensorFlow and the tests need them)");
  }
  await npmPackages();
  await addon();
  await typescript();
  if (options.tests) await attempt("numpy and pyarrow (some tests need them)", testPython);
  await attempt("the addon for Open MPI (only training on several machines needs it)", mpi);
  if (withTensorflow)
    await attempt("TensorFlow (train, evaluate, predict and demo need it)", () =>
      tensorflow(wheelList(options.gpu, options["gpu-requirements"])),
    );
  if (missing.length > 0) {
    process.stderr.write(`setup: incomplete, everything else works; missing: ${missing.join("; ")}\n`);
    process.exit(1);
  }
  process.stderr.write(
    withTensorflow
      ? "setup: done\n"
      : "setup: done, without TensorFlow: train, evaluate, predict and demo are unavailable\n",
  );
}

const options = readOptions();
if (options.help) process.stderr.write(usage);
else
  main(options).catch((error) => {
    tell(error);
    process.exit(1);
  });
