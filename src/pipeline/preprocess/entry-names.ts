// What the name of a file or tar entry means: an image, a label, an archive, or what operating systems leave behind.

const jpegExtensions = new Set([".jpg", ".jpeg", ".jpe", ".jfif"]);

/** Images of other formats: converted, or reported where that cannot be done. */
const foreignExtensions = new Set(
  (
    ".png .apng .webp .gif .tif .tiff .bmp .dib .avif .heic .heif .jxl .jp2 .j2k .jpx .ppm .pgm .pbm .pnm .pfm .svg .ico .tga .psd " +
    ".exr .hdr .dng .cr2 .nef .arw"
  ).split(" "),
);

const labelExtensions = new Set([".cls", ".txt", ".json"]);

/** Text and numbers beside images, of which there may be as many as images: nobody looks into these for an image. */
const dataExtensions = new Set(
  ".cls .txt .json .jsonl .xml .csv .tsv .md .html .yaml .yml .log .py .npy .npz".split(" "),
);

const archiveName = /\.(?:zip|7z|rar|tgz|tbz2?|txz|tzst|tar(?:\.(?:gz|bz2|xz|zst|lz4))?)$/i;

/** What the names of archives end in: one look instead of a search in each name. */
const lastLetters = new Set([..."prtzPRTZ24"].map((letter) => letter.charCodeAt(0)));

const mayEndArchive = (path: string) => lastLetters.has(path.charCodeAt(path.length - 1));

/** Why an archive among the files is a failure: it may hold images. */
export const archiveMessage = "an archive, which may hold images: unpack it, or give it as a source of its own";

/** Why an entry is neither a sample nor a failure. */
export type IgnoreReason =
  | "AppleDouble"
  | ".DS_Store"
  | "__MACOSX"
  | "Thumbs.db"
  | "desktop.ini"
  | ".ipynb_checkpoints"
  | "@eaDir"
  | "hidden folder"
  | "empty folder"
  | "another field"
  | "not an image"
  | "link"
  | "link to a folder read already"
  | "not a regular file";

const systemFolder = /__MACOSX|\.ipynb_checkpoints|@eaDir/i;

const systemNames: readonly (readonly [pattern: RegExp, reason: IgnoreReason])[] = [
  [/(?:^|\/)__MACOSX(?:\/|$)/i, "__MACOSX"],
  [/(?:^|\/)\.ipynb_checkpoints(?:\/|$)/i, ".ipynb_checkpoints"],
  [/(?:^|\/)@eaDir(?:\/|$)/i, "@eaDir"],
  [/(?:^|\/)\._[^/]*$/, "AppleDouble"],
  [/(?:^|\/)\.DS_Store$/i, ".DS_Store"],
  [/(?:^|\/)(?:eh)?thumbs\.db$/i, "Thumbs.db"],
  [/(?:^|\/)desktop\.ini$/i, "desktop.ini"],
];

/** What the names of such files and folders begin with, in either case; asked first, because nearly no file is one. */
const systemBeginnings = "._@tTeEdD";

/** Which of an operating system's or a tool's leavings a path is, whatever its extension; undefined for the others. */
export function systemReason(path: string): IgnoreReason | undefined {
  const slash = path.lastIndexOf("/");
  if (!systemBeginnings.includes(path.charAt(slash + 1)) && (slash < 0 || !systemFolder.test(path))) return undefined;
  return systemNames.find(([pattern]) => pattern.test(path))?.[1];
}

/** Splits at the last dot, so that a key may hold dots itself: `dir/a.b.jpg` -> `dir/a.b` and `.jpg`. */
export function splitName(path: string): { readonly key: string; readonly extension: string } {
  const dot = path.lastIndexOf(".");
  if (dot <= path.lastIndexOf("/") + 1) return { key: path, extension: "" };
  return { key: path.slice(0, dot), extension: path.slice(dot) };
}

/** The file name without folders: what lists of labels go by. */
export const lastPart = (entry: string) => entry.slice(entry.lastIndexOf("/") + 1);

/** WebDataset's key, up to the first dot of the file's name: the fields of one sample share it. */
export function baseOf(path: string): string {
  const dot = path.indexOf(".", path.lastIndexOf("/") + 2);
  return dot < 0 ? path : path.slice(0, dot);
}

/** A path as file systems read it: `./`, `//` and a slash in front mean nothing. */
export function cleanPath(path: string): string {
  if (!/(?:^|\/)\.?\//.test(path)) return path;
  return path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

const kinds = new Map<string, "image" | "label">([
  ...[...jpegExtensions, ...foreignExtensions].map((extension) => [extension, "image"] as const),
  ...[...labelExtensions].map((extension) => [extension, "label"] as const),
]);

/** What a file of that name is in a sample: meant as an image, readable or not, or what may contain the label. */
export function sampleKindOf(path: string): "image" | "label" | undefined {
  const dot = path.lastIndexOf(".");
  if (dot <= path.lastIndexOf("/") + 1) return undefined;
  const kind = kinds.get(path.slice(dot).toLowerCase());
  return kind === undefined || systemReason(path) !== undefined ? undefined : kind;
}

/** Whether a file of that name is meant as an image, readable or not. */
export const isImageName = (path: string) => sampleKindOf(path) === "image";

/** Whether a file of that name may contain a sample's label. */
export const isLabelName = (path: string) => sampleKindOf(path) === "label";

/** Whether a file may be an image by its first bytes, although its name is not an image's. */
export function mayHoldImage(path: string): boolean {
  const { extension } = splitName(path);
  return !dataExtensions.has(extension.toLowerCase()) && !archiveName.test(path) && systemReason(path) === undefined;
}

/** Whether a file of that name holds other files. */
export function isArchiveName(path: string): boolean {
  return mayEndArchive(path) && archiveName.test(path) && systemReason(path) === undefined;
}

export function isTarName(path: string): boolean {
  return mayEndArchive(path) && /\.tar$/i.test(path) && systemReason(path) === undefined;
}

export function isJpegExtension(extension: string): boolean {
  return jpegExtensions.has(extension.toLowerCase());
}
