// What made a checkpoint: the toolkit's version, and the commit where it runs from a git checkout.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { version } from "../../version.js";

/** The checkout, seen from dist/src/train/run/. */
const root = fileURLToPath(new URL("../../../../", import.meta.url));

export function buildInfo(): { readonly tool: string; readonly commit?: string } {
  const git = (...args: string[]) => {
    // Without a lock on the index, which a git that dies half way (a full disk) would leave behind.
    const { status, stdout } = spawnSync("git", ["--no-optional-locks", "-C", root, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git("rev-parse", "HEAD");
  const changed = commit !== undefined && git("status", "--porcelain", "--untracked-files=no") !== "";
  return { tool: `dctstream ${version}`, ...(commit && { commit: changed ? `${commit}, changed` : commit }) };
}
