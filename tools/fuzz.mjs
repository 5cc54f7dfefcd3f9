// Builds and runs the libFuzzer targets of test/fuzz: the native cores without Node, under the address and
// undefined-behaviour sanitizers.
//
//   node tools/fuzz.mjs [TARGET..] [--seconds S | --runs N] [--corpus DIR]
//
// Without a target: all of them, one after another. --runs tries so many inputs, however long the machine takes. Starts
// from the JPEGs in --corpus and the kept findings in test/fuzz/findings/TARGET, and leaves what it learns in
// .cache/fuzz/TARGET. Needs clang. A finding is printed and kept beside that corpus; exit status 1.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const root = path.resolve(import.meta.dirname, "..");
const work = path.join(root, ".cache", "fuzz");
const targets = ["jpeg", "unpack", "view", "batch", "seek"];
/** Those whose inputs are JPEGs. */
const readJpegs = ["jpeg", "seek"];

const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
const flags = [
  "-std=c++17",
  "-O1",
  "-g",
  "-Wno-psabi",
  "-Isrc/native",
  ...(process.arch === "x64" ? ["-march=x86-64-v2"] : []),
  ...sanitizers,
];

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", ...options });
  if (error) throw new Error(`cannot run ${command}: ${error.message}`);
  return status ?? 1;
}

/** Compiles the cores once and links each target with them. */
function build(names) {
  const objects = path.join(work, "objects");
  mkdirSync(objects, { recursive: true });
  const cores = path.join(root, "src", "native");
  const below = readdirSync(cores, { recursive: true }).filter((name) => name.endsWith(".cc"));
  const sources = below.filter((name) => !name.startsWith("node/"));
  // The shell reads these: relative to the root they have no letters that it reads as anything else, whatever the
  // checkout is called.
  const relative = (...names) => path.relative(root, path.join(...names));
  const objectOf = (name) => path.join(objects, `${path.basename(name, ".cc")}.o`);
  const commands = sources.map((name) => {
    const compile = [
      ...flags,
      "-fsanitize=fuzzer-no-link",
      "-c",
      relative(cores, name),
      "-o",
      relative(objectOf(name)),
    ];
    return `clang++ ${compile.join(" ")}`;
  });
  if (
    run("xargs", ["-P", "2", "-I", "{}", "sh", "-c", "{}"], {
      cwd: root,
      input: commands.join("\n"),
      stdio: ["pipe", "inherit", "inherit"],
    }) !== 0
  )
    throw new Error("the native cores do not compile with clang");
  for (const name of names) {
    const link = [path.join(root, "test", "fuzz", `${name}.cc`), ...sources.map(objectOf)];
    const output = ["-ljpeg", "-lzstd", "-o", path.join(work, name, "target")];
    const status = run("clang++", [...flags, "-fsanitize=fuzzer", ...link, ...output], { cwd: root });
    if (status !== 0) throw new Error(`the fuzz target ${name} does not compile`);
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: "string", default: "600" }, runs: { type: "string" }, corpus: { type: "string" } },
});
const names = positionals.length > 0 ? positionals : targets;
for (const name of names) {
  if (!targets.includes(name)) {
    console.error(`fuzz: expected one of ${targets.join(", ")}, found ${name}`);
    process.exit(2);
  }
  mkdirSync(path.join(work, name, "corpus"), { recursive: true });
}
build(names);
let failed = false;
for (const name of names) {
  const folder = path.join(work, name);
  const findings = path.join(root, "test", "fuzz", "findings", name);
  const seeds = [findings, ...(readJpegs.includes(name) && values.corpus ? [values.corpus] : [])].filter((seed) =>
    existsSync(seed),
  );
  for (const seed of seeds)
    for (const file of readdirSync(seed)) copyFileSync(path.join(seed, file), path.join(folder, "corpus", file));
  const amount =
    values.runs === undefined
      ? [`-max_total_time=${values.seconds}`, "-timeout=120"]
      : [`-runs=${values.runs}`, "-timeout=600"];
  const options = [
    ...amount,
    "-max_len=100000",
    "-rss_limit_mb=3000",
    "-print_final_stats=1",
    "-print_funcs=0",
    "-verbosity=0",
  ];
  failed =
    run(path.join(folder, "target"), [...options, `-artifact_prefix=${folder}/`, path.join(folder, "corpus")]) !== 0 ||
    failed;
}
process.exit(failed ? 1 : 0);
