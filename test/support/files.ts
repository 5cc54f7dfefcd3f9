// Folders and tars that tests make for themselves, and the larger data that lies beside some checkouts.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { pack } from "tar-stream";

export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");

/** A folder that is gone after the test; after those of a file, where it is given node:test's own `after`. */
export function temporaryFolder(t: { after(work: () => void): void }): string {
  const folder = mkdtempSync(path.join(tmpdir(), "dctstream-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type TarEntries = readonly (readonly [name: string, content: Uint8Array | string])[];

export async function tarBytes(entries: TarEntries): Promise<Uint8Array> {
  const tar = pack();
  for (const [name, content] of entries) tar.entry({ name, mtime: new Date(0) }, Buffer.from(content));
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function writeTar(file: string, entries: TarEntries): Promise<string> {
  writeFileSync(file, await tarBytes(entries));
  return file;
}

/** Names below a folder, sorted. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort();
}

const besideCheckout = (folder: string, names: readonly string[]) =>
  names.map((name) => path.join(projectRoot, "..", "shared", folder, name)).filter((file) => existsSync(file));

/** Files of the data folder beside the checkout, where there is one: tests do more with them, and pass without. */
export const extraData = (...names: readonly string[]): string[] => besideCheckout("data", names);

/** Inputs of outsiders that once failed, likewise. */
export const extraCases = (...names: readonly string[]): string[] => besideCheckout("cases", names);
