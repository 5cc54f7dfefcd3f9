// Runs the compiled tests, as many files at a time as there are cores. Each file has a process of its own and a limit:
// one that hangs is ended with everything it started, and named, also where all its tests were reported but the process
// does not end. Node's own --test-timeout does that in Node 20 and 22, but no longer in 24 and 26.
//
//   node tools/run-tests.mjs [--long] [--limit SECONDS] [--repeat N] [FILTER..]     a filter is a part of a file's path
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const built = path.join(root, "dist", "test");
/** Files of this folder run with --long only. */
const longFolder = "long";
/** Files of these folders take longest and begin first, so that the last ones to end are short. */
const slowFirst = ["long", "train", "tools", "examples", "pipeline", "storage"];
const countNames = ["tests", "pass", "fail", "cancelled", "skipped", "todo"];

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    long: { type: "boolean", default: false },
    // No file takes three minutes on an idle machine; this is for one that does a dozen other things.
    limit: { type: "string", default: "1500" },
    repeat: { type: "string", default: "1" },
  },
});

/** Paths below dist/test, in the order in which they begin. */
function chooseFiles() {
  const topFolder = (file) => file.split(path.sep)[0];
  const rank = (file) => (slowFirst.indexOf(topFolder(file)) + slowFirst.length + 1) % (slowFirst.length + 1);
  return readdirSync(built, { recursive: true })
    .filter((file) => file.endsWith(".test.js"))
    .filter((file) => options.long || topFolder(file) !== longFolder)
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

const running = new Set();

/** Ends a file's process and all that it started. */
function endGroup({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error; // no process of the group is left
  }
}

/**
 * Runs one file to its end; its report, its counts (undefined where it did not come that far) and what is wrong, if
 * anything.
 */
async function runFile(file) {
  const started = performance.now();
  const child = spawn(process.execPath, ["--test-reporter=tap", path.join(built, file)], {
    cwd: root,
    detached: true, // a process group of its own
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let report = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      report += text;
    });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, Number(options.limit) * 1000);
  // A process that the file has left behind would hold the pipes open, and "close" back.
  child.once("exit", () => endGroup(child));
  const [status, signal] = await once(child, "close");
  clearTimeout(timer);
  running.delete(child);
  const counts = countsIn(report);
  const problem = problemOf({ late, status, signal, counts });
  return { file, report, counts, problem, seconds: (performance.now() - started) / 1000 };
}

function problemOf({ late, status, signal, counts }) {
  if (late) return `did not end within ${options.limit} s${counts ? ", though all its tests were reported" : ""}`;
  if (signal !== null) return `was ended by ${signal}`;
  if (counts === undefined) return `ended with status ${status} before its tests were counted`;
  if (counts.tests === 0) return "has no tests";
  return status === 0 ? undefined : `${counts.fail + counts.cancelled} of ${counts.tests} tests failed`;
}

function countsIn(report) {
  const found = countNames.map((name) => [name, new RegExp(`^# ${name} (\\d+)$`, "m").exec(report)?.[1]]);
  return found.some(([, count]) => count === undefined)
    ? undefined
    : Object.fromEntries(found.map(([name, count]) => [name, Number(count)]));
}

/** What of a report concerns the tests that failed; all of it where none did. */
function failuresIn(report) {
  const indent = (line) => line.length - line.trimStart().length;
  const lines = report.split("\n");
  const kept = lines.filter((line, i) => {
    let at = i; // a line belongs to the last "ok" or "not ok" that is indented less or as much
    while (at >= 0 && !(/^\s*(not )?ok /.test(lines[at]) && (at === i || indent(lines[at]) < indent(line)))) at--;
    return at >= 0 && /^\s*not ok /.test(lines[at]);
  });
  return (kept.length > 0 ? kept : lines.slice(-200)).join("\n");
}

for (const name of ["SIGINT", "SIGTERM"])
  process.once(name, () => {
    for (const child of running) endGroup(child);
    process.exit(130);
  });

const files = chooseFiles();
if (files.length === 0) {
  console.error(`no test below dist/test matches ${filters.join(" or ") || "anything: npm run build makes them"}`);
  process.exit(2);
}
const queue = Array.from({ length: Number(options.repeat) }, () => files).flat();
const results = [];
const started = performance.now();
async function runFromQueue() {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const result = await runFile(file);
    results.push(result);
    const { counts, problem, seconds, report } = result;
    const outcome = problem === undefined ? `ok, ${counts.tests} tests` : `NOT OK: ${problem}`;
    console.log(`${seconds.toFixed(1).padStart(7)} s  ${file.replace(/js$/, "ts").padEnd(50)} ${outcome}`);
    if (problem !== undefined) console.log(failuresIn(report).replace(/^/gm, "    "));
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, runFromQueue));

const broken = results.filter(({ problem }) => problem !== undefined);
if (broken.length > 0) console.log("\nnot ok:");
for (const { file, problem } of broken) console.log(`  ${file.replace(/js$/, "ts")} ${problem}`);
console.log("");
for (const name of countNames) {
  const sum = results.reduce((total, { counts }) => total + (counts?.[name] ?? 0), 0);
  console.log(`# ${name} ${sum}`);
}
console.log(`# files ${results.length}, not ok ${broken.length}`);
console.log(`# duration_ms ${Math.round(performance.now() - started)}`);
process.exitCode = broken.length === 0 ? 0 : 1;
