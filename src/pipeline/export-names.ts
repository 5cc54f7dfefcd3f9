// What exported files are called: key and extension, changed only where that name would be untrue or is taken. Pure.

const jpegExtension = /\.(jpe?g|jpe|jfif)$/i;

export class ExportNames {
  /** Samples that got another name because theirs was taken. */
  renamed = 0;
  /** Files that are JPEGs now and were called otherwise. */
  retyped = 0;
  private readonly taken = new Map<string, "file" | "folder">();

  /**
   * The name, without its extension, of a sample that gets one file for each of the endings. `~2`, `~3` and so on is
   * added to a component that another sample has: to a file's name where that or a folder is called so, to a folder's
   * where a file is.
   */
  take(key: string, endings: readonly string[]): string {
    const components = key.split("/");
    const last = components.pop() as string;
    let folder = "";
    for (const component of components) {
      folder = numbered(folder + component, (name) => this.taken.get(name) !== "file");
      this.taken.set(folder, "folder");
      folder += "/";
    }
    const name = numbered(folder + last, (free) => endings.every((ending) => !this.taken.has(free + ending)));
    for (const ending of endings) this.taken.set(name + ending, "file");
    if (name !== key) this.renamed++;
    return name;
  }

  /** The extension of a file that holds a JPEG: its own where that is a JPEG's, ".jpg" instead otherwise. */
  extensionOf(extension: string): string {
    if (jpegExtension.test(extension)) return extension;
    this.retyped++;
    return `${extension.replace(/\.[^.]*$/, "")}.jpg`;
  }
}

function numbered(name: string, isFree: (name: string) => boolean): string {
  let candidate = name;
  for (let n = 2; !isFree(candidate); n++) candidate = `${name}~${n}`;
  return candidate;
}
