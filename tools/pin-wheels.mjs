// Makes a list of Python wheels with their hashes, which is all that setup lets pip take. The wheels are not downloaded
// where the index gives their hashes and metadata by themselves, as PyPI does. Whoever runs this trusts the index that
// pip is set to, once; look the list over.
//
//   node tools/pin-wheels.mjs tensorflow-cpu|tensorflow-gpu|test-python [--python 3.11] [--out FILE]
//
// Without --out: tools/setup/requirements/NAME.txt. --python is the version the wheels are for; default 3.11, for
// test-python the present one.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { root } from "./setup/steps.mjs";

const lists = {
  "tensorflow-cpu": {
    about: "The TensorFlow that training links against",
    requirements: ["tensorflow-cpu==2.21.0"],
    options: ["--no-deps"],
  },
  "tensorflow-gpu": {
    about: "TensorFlow with CUDA, and the libraries of NVIDIA's that it loads",
    requirements: ["tensorflow[and-cuda]==2.21.0"],
    options: [],
    keep: /^(tensorflow$|nvidia-)/, // the rest of the closure is Python, which nothing here runs
  },
  "test-python": {
    about: "What the tests of examples/python need",
    requirements: ["numpy==2.4.6", "pyarrow==25.0.1"],
    options: ["--no-deps"],
    python: "present",
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { python: { type: "string" }, out: { type: "string" } },
});
const [name] = positionals;
const list = lists[name];
if (list === undefined || positionals.length !== 1) {
  console.error(
    `pin-wheels: expected one of ${Object.keys(lists).join(", ")}, found ${positionals.join(" ") || "nothing"}`,
  );
  process.exit(2);
}

/** What pip would install, without installing it: pip's own report, format 1. */
function resolve({ requirements, options }, python) {
  const target =
    python === undefined ? [] : ["--python-version", python, "--target", path.join(root, ".cache", "none")];
  const args = ["-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"];
  const all = [...args, "--only-binary=:all:", ...target, ...options, ...requirements];
  const done = spawnSync("python3", all, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.status === 0) return JSON.parse(done.stdout).install;
  console.error(`pin-wheels: pip cannot resolve ${requirements.join(", ")}\n${(done.stderr ?? "").trim()}`);
  process.exit(1);
}

const python = values.python ?? (list.python === "present" ? undefined : "3.11");
const wheels = resolve(list, python)
  .map(({ metadata, download_info, requested }) => {
    const { archive_info: archive = {} } = download_info;
    const hash = archive.hashes?.sha256 ?? /^sha256=(.+)$/.exec(archive.hash ?? "")?.[1];
    return { name: metadata.name.replaceAll("_", "-"), version: metadata.version, hash, requested };
  })
  .filter((wheel) => list.keep?.test(wheel.name) ?? true)
  // What was asked for first: setup takes TensorFlow's version from the first line.
  .sort((a, b) => Number(b.requested) - Number(a.requested) || (a.name < b.name ? -1 : 1));
const bare = wheels.find(({ hash }) => hash === undefined);
if (bare !== undefined) {
  console.error(`pin-wheels: the index gives no sha256 for ${bare.name} ${bare.version}`);
  process.exit(1);
}
const file = values.out ?? path.join(root, "tools", "setup", "requirements", `${name}.txt`);
const lines = wheels.map((wheel) => `${wheel.name}==${wheel.version} --hash=sha256:${wheel.hash}`);
writeFileSync(file, `# ${list.about}; made by: node tools/pin-wheels.mjs ${name}\n${lines.join("\n")}\n`);
console.error(`pin-wheels: ${wheels.length} wheels pinned in ${path.relative(process.cwd(), file)}`);
