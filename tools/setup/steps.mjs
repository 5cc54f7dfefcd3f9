// What every step of setup shares: where things are, how commands are run, and when a step need not be done again.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Outside the checkout: what is large and the same for all checkouts. */
export const cacheDir = path.resolve(
  process.env.DCTSTREAM_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "dctstream"),
);

/** Stamps of the steps done, and what building needs besides, in the checkout. */
export const setupDir = path.join(root, ".cache", "setup");

/** What compiled files depend on. Node's version is not part of it: all of ours use Node-API, which stays the same. */
export const platform = `${process.platform}-${process.arch}`;

/** A failure that names its cure. */
export class SetupError extends Error {
  constructor(message, cure) {
    super(message);
    this.cure = cure;
  }
}

export function say(step, text) {
  process.stderr.write(`setup: ${step.padEnd(11)} ${text}\n`);
}

/** Runs a command with its output kept; shows the end of it only when it failed. */
export function run(step, command, args, cure, options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (done.status === 0) return done.stdout;
  const reason = done.error ? done.error.message : `exit status ${done.status ?? done.signal}`;
  const tail = `${done.stdout ?? ""}${done.stderr ?? ""}`.trim().split("\n").slice(-25).join("\n");
  throw new SetupError(`${step}: '${[command, ...args].join(" ")}' failed (${reason})\n${tail}`, cure);
}

export function succeeds(command, args, input) {
  return spawnSync(command, args, { input, stdio: ["pipe", "ignore", "ignore"] }).status === 0;
}

export function filesUnder(dir, keep) {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && keep(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

export function hashOf(files, ...extra) {
  const hash = createHash("sha256");
  for (const text of extra) hash.update(`${text}\0`);
  for (const file of files) hash.update(path.relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** Does `work` unless its stamp holds `fingerprint` and its output is there and usable; the stamp is written last. */
export async function step(name, fingerprint, isUsable, doing, work) {
  const stamp = path.join(setupDir, name);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint && isUsable()) return say(name, "up to date");
  const started = Date.now();
  say(name, `${doing} ...`);
  rmSync(stamp, { force: true });
  await work();
  mkdirSync(setupDir, { recursive: true });
  writeFileSync(stamp, fingerprint);
  say(name, `done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}
