// A folder of class folders -> samples: `root/class/image.jpg` (the torchvision ImageFolder convention).
import { mapOrdered } from "../../map-ordered.js";
import { baseName, isRemote, type ObjectInfo, openStore } from "../../storage/store.js";
import { watched } from "../stage-clock.js";
import { isImageName, splitName } from "./group.js";
import { labelOf } from "./labels.js";
import type { ReadSourceOptions, SourceItem } from "./sample.js";

/** Each is a request of its own, most of which is waiting. */
const remoteReadsInFlight = 24;

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
  { rules, maxEntryBytes, allocate, from = 0, onWait = () => {}, signal }: ReadSourceOptions,
): AsyncGenerator<readonly SourceItem[]> {
  const read = async ({ division, file, position }: Place, both: AbortSignal): Promise<SourceItem> => {
    const entry = `${division}/${baseName(file.url)}`;
    const { key, extension } = splitName(entry);
    const place = { entry, offset: undefined, key, position };
    if (file.byteLength > maxEntryBytes) {
      const message = `a file of ${file.byteLength} bytes, at most ${maxEntryBytes} allowed`;
      return { ...place, problem: "ENTRY_TOO_LARGE", message };
    }
    const image = allocate(file.byteLength); // before the first wait, so that images lie in slabs in their order
    await openStore(root).read(file.url, { start: 0, end: file.byteLength }, image, both);
    return { ...place, extension, image, label: labelOf({ entry, division }, rules), json: undefined };
  };
  const limit = isRemote(root) ? remoteReadsInFlight : 1;
  const items = mapOrdered(places(root, from), read, { limit, signal });
  for await (const item of watched(items, onWait)) yield [item];
}

interface Place {
  readonly division: string;
  readonly file: ObjectInfo;
  readonly position: number;
}

async function* places(root: string, from: number): AsyncGenerator<Place> {
  let next = 0;
  for (const folder of await listClassFolders(root)) {
    for (const file of await listImages(folder.url)) {
      const position = next++;
      if (position >= from) yield { division: baseName(folder.url), file, position };
    }
  }
}
