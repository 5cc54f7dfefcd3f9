// Making folders. Level by level: Node's own recursive mkdir never returns, and gets no signal, where the system
// reports ENOENT although the folder above is there, as in /proc and on some network mounts.
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";

/**
 * Makes a folder and what is missing above it; a folder that is there already is as good. Throws the system's error.
 */
export async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = [];
  let level = path.resolve(folder);
  while (!(await made(level))) {
    missing.push(level);
    const above = path.dirname(level);
    if (above === level) break;
    level = above;
  }
  for (const below of missing.reverse()) await makeLevel(below);
}

/** Whether the folder is there now; false when the one above it is not. */
async function made(folder: string): Promise<boolean> {
  try {
    await makeLevel(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function makeLevel(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    // Some systems refuse to make what is there already by another name for it than EEXIST: a read-only one, the root,
    // a mount.
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || !(await isFolder(folder))) throw error;
  }
}

async function isFolder(folder: string): Promise<boolean> {
  return stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
