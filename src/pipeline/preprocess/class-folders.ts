// A folder of class folders -> samples: `root/class/image.jpg` (the torchvision ImageFolder convention).
import { baseName, joinUrl, type ObjectInfo, openStore } from "../../storage/store.js";
import { isImageName, splitName } from "./group.js";
import { labelOf } from "./labels.js";
import type { ReadSourceOptions, SourceItem } from "./sample.js";

/** The class folders below `root`, in name order. */
export async function listClassFolders(root: string): Promise<ObjectInfo[]> {
  const entries = await openStore(root).list(root);
  return entries.filter((entry) => entry.kind === "folder" && !baseName(entry.url).startsWith("."));
}

/** The images of a class folder, in name order. */
export async function listImages(folder: string): Promise<ObjectInfo[]> {
  const files = await openStore(folder).list(folder);
  return files.filter((file) => file.kind === "object" && isImageName(baseName(file.url)));
}

/** Positions count the images of all folders in their order; those before `from` are passed over. */
export async function* readClassFolders(
  root: string,
  { rules, maxEntryBytes, allocate, from = 0, signal }: ReadSourceOptions,
): AsyncGenerator<readonly SourceItem[]> {
  const store = openStore(root);
  let next = 0;
  for (const folder of await listClassFolders(root)) {
    const division = baseName(folder.url);
    for (const file of await listImages(folder.url)) {
      const position = next++;
      if (position < from) continue;
      signal?.throwIfAborted();
      const name = baseName(file.url);
      const entry = `${division}/${name}`;
      const { key, extension } = splitName(entry);
      const place = { entry, offset: undefined, key, position };
      if (file.byteLength > maxEntryBytes) {
        const message = `a file of ${file.byteLength} bytes, at most ${maxEntryBytes} allowed`;
        yield [{ ...place, problem: "ENTRY_TOO_LARGE", message }];
        continue;
      }
      const image = allocate(file.byteLength);
      await store.read(joinUrl(folder.url, name), { start: 0, end: file.byteLength }, image, signal);
      yield [{ ...place, extension, image, label: labelOf({ entry, division }, rules), json: undefined }];
    }
  }
}
