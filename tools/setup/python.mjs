// Python's packages, which pip takes only when their bytes are those that a list in requirements/ names.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { cacheDir, hashOf, root, run, step } from "./steps.mjs";

/** The list of that name: one requirement a line, each with the sha256 of its files. */
export const requirementsFile = (name) => path.join(root, "tools", "setup", "requirements", `${name}.txt`);

/** pip with a list of pinned files; nothing that is not in the list is downloaded, built or run. */
export function pip(step, [command, ...options], file, cure) {
  const args = ["-m", "pip", command, "--quiet", "--require-hashes", "--only-binary=:all:", ...options, "-r", file];
  return run(step, "python3", args, cure);
}

/** The requirements of a list, for people and without their hashes. */
export function requirementsIn(file) {
  return readFileSync(file, "utf8")
    .replace(/\\\n/g, " ")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/)[0])
    .filter((name) => name !== "" && !name.startsWith("-"));
}

/**
 * numpy and pyarrow for the tests of examples/python, installed beside nothing else: a --target folder in the cache.
 */
export function testPython() {
  const file = requirementsFile("test-python");
  const home = path.join(cacheDir, `python-${hashOf([file]).slice(0, 12)}`);
  const wanted = requirementsIn(file).join(", ");
  return step(
    "python",
    home,
    () => existsSync(path.join(home, "pyarrow")),
    `installing ${wanted} for the tests`,
    () => {
      if (existsSync(home)) return;
      mkdirSync(cacheDir, { recursive: true });
      const staging = mkdtempSync(path.join(cacheDir, "installing-"));
      try {
        pip(
          "python",
          ["install", "--target", staging],
          file,
          "let pip reach an index with these packages; the list is for Python 3.11: for another Python make it again " +
            "(node tools/pin-wheels.mjs test-python)",
        );
        renameSync(staging, home);
      } catch (error) {
        rmSync(staging, { recursive: true, force: true });
        throw error;
      }
    },
  );
}
