// The npm packages, whose lockfile pins each by its hash, and the compiled TypeScript.
import { chmodSync, existsSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { filesUnder, hashOf, platform, root, run, step } from "./steps.mjs";

/** A file of an installed package. */
export const inModules = (...names) => path.join(root, "node_modules", ...names);

export function npmPackages() {
  return step(
    "npm",
    hashOf([path.join(root, "package-lock.json")], platform),
    () => existsSync(inModules("tar-stream")),
    "installing packages (npm ci --ignore-scripts)",
    () => {
      const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
      run("npm", "npm", args, "check that npm is installed and its registry is reachable, then run this again");
    },
  );
}

export function typescript() {
  const isSource = (name) => /\.(c?ts|json)$/.test(name);
  const sources = ["src", "tools", "test", "bench"].flatMap((dir) => filesUnder(path.join(root, dir), isSource));
  const main = path.join(root, "dist", "tools", "dctstream.js");
  const command = inModules(".bin", "dctstream"); // npm links the commands of dependencies, not the project's own
  return step(
    "typescript",
    hashOf([path.join(root, "tsconfig.json"), ...sources]),
    () => existsSync(command),
    "compiling to dist/",
    () => {
      rmSync(path.join(root, "dist"), { recursive: true, force: true });
      const compiler = inModules("typescript", "bin", "tsc");
      run("typescript", process.execPath, [compiler, "-p", "tsconfig.json"], "fix the errors above");
      chmodSync(main, 0o755);
      rmSync(command, { force: true });
      symlinkSync(path.relative(path.dirname(command), main), command);
    },
  );
}
