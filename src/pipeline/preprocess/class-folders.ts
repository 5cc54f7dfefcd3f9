// A folder of class folders -> samples: `root/class/image.jpg`, classes numbered in name order (the torchvision ImageFolder convention).
import { baseName, joinUrl, type ObjectInfo, openStore } from "../../storage/store.js";
import { isImageExtension, splitName } from "./group.js";
import type { RawSample } from "./sample.js";

/** The class folders below `root`, in name order: their positions are the class indices. */
export async function listClasses(root: string): Promise<ObjectInfo[]> {
  const entries = await openStore(root).list(root);
  return entries.filter((entry) => entry.kind === "folder" && !baseName(entry.url).startsWith("."));
}

export async function* readClassFolders(root: string, signal?: AbortSignal): AsyncGenerator<RawSample> {
  const store = openStore(root);
  const classes = await listClasses(root);
  for (const [index, folder] of classes.entries()) {
    const name = baseName(folder.url);
    for (const file of await store.list(folder.url)) {
      const { key, extension } = splitName(baseName(file.url));
      if (file.kind !== "object" || !isImageExtension(extension)) continue;
      signal?.throwIfAborted();
      const image = new Uint8Array(file.byteLength);
      await store.read(joinUrl(folder.url, baseName(file.url)), { start: 0, end: file.byteLength }, image, signal);
      yield {
        key: `${name}/${key}`,
        extension,
        image,
        label: { index, name, synset: /^n\d{8}$/.test(name) ? name : undefined },
        json: undefined,
      };
    }
  }
}
