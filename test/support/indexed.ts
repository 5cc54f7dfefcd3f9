// Sources of every kind with files of every kind in them: some stay in their source when it is indexed, others become
// records.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { PNG } from "pngjs";
import type { IndexOptions } from "../../src/pipeline/preprocess/index-sources.js";
import { type TarEntries, tarBytes, writeTar } from "./files.js";
import { arithmeticKind, cmykKind, jpegKinds, makeJpeg, progressiveKind, rgbKind } from "./jpegs.js";

function png(): Uint8Array {
  const image = new PNG({ width: 40, height: 30 });
  image.data.fill(200);
  return PNG.sync.write(image);
}

const first = makeJpeg(jpegKinds[0] as (typeof jpegKinds)[number]);

/** Files that stay, then one that is stored in a record, and so on; then what is damaged. */
export function mixedImages(rounds = 1): readonly (readonly [name: string, content: Uint8Array])[] {
  const stored: readonly (readonly [string, Uint8Array])[] = [
    ["progressive.jpg", makeJpeg(progressiveKind)],
    ["arithmetic.jpg", makeJpeg(arithmeticKind)],
    ["cmyk.jpg", makeJpeg(cmykKind)],
    ["rgb.jpg", makeJpeg(rgbKind)],
    ["picture.png", png()],
    ["cut.jpg", first.slice(0, first.length - 300)],
  ];
  const images = Array.from({ length: rounds }, (_, round) =>
    jpegKinds.flatMap((kind, i) => {
      const name = String(100 * round + i).padStart(4, "0");
      const other = stored[i];
      const entered = [`${name}.jpg`, makeJpeg(kind, round + 1)] as const;
      return other === undefined ? [entered] : [entered, [`${name}-${other[0]}`, other[1]] as const];
    }),
  ).flat();
  return [...images, ["text.jpg", Buffer.from("no image at all")]];
}

/** Of `mixedImages(rounds)`: files that stay, that become records, and that are neither. */
export const mixedCounts = (rounds = 1) => ({ stay: 14 * rounds, stored: 6 * rounds, failed: 1 });

/** A WebDataset tar of them, of two classes. */
export function mixedEntries(rounds = 1): TarEntries {
  return mixedImages(rounds).flatMap(([name, content], i) => [
    [name, content] as const,
    [name.replace(/\.[^.]*$/, ".cls"), String(i % 2)] as const,
  ]);
}

export type SourceKind = "tar" | "tar of tars" | "flat tar" | "class folders";
export const sourceKinds: readonly SourceKind[] = ["tar", "tar of tars", "flat tar", "class folders"];

/** Writes a source into `folder`; what indexSources and preprocess are to be asked for comes back. */
export async function writeSource(folder: string, kind: SourceKind): Promise<Pick<IndexOptions, "sources" | "labels">> {
  const file = path.join(folder, "source.tar");
  const images = mixedImages();
  switch (kind) {
    case "tar":
      return { sources: [await writeTar(file, mixedEntries())] };
    case "tar of tars": {
      const synsets = ["n01440764", "n02110341"].map(
        async (synset) =>
          [`${synset}.tar`, await tarBytes(images.map(([n, bytes]) => [`${synset}_${n}`, bytes]))] as const,
      );
      return { sources: [await writeTar(file, await Promise.all(synsets))] };
    }
    case "flat tar": {
      const labels = path.join(folder, "labels.csv");
      writeFileSync(labels, images.map(([name], i) => `${name},${i % 3}\n`).join(""));
      return { sources: [await writeTar(file, images)], labels };
    }
    case "class folders":
      return { sources: [writeClassFolders(path.join(folder, "source"), images)] };
  }
}

/** Nested, with names that are odd, and one that is not text. */
function writeClassFolders(root: string, images: readonly (readonly [string, Uint8Array])[]): string {
  for (const place of ["cat", "cat/more/of them", "dög #1%20?"]) {
    mkdirSync(path.join(root, place), { recursive: true });
    for (const [name, content] of images) writeFileSync(path.join(root, place, name), content);
  }
  const odd = [Buffer.from(`${root}/cat/caf`), Buffer.from([0xe9]), Buffer.from(".jpg")];
  writeFileSync(Buffer.concat(odd), first);
  writeFileSync(path.join(root, "cat", "a b'c.v2.JPEG"), first);
  writeFileSync(path.join(root, "cat", "no extension"), first);
  writeFileSync(path.join(root, "cat", "notes.md"), "not an image");
  return root;
}
