// The demo's input: WebDataset tars of generated JPEGs, with the kinds of damage that real collections have.
import { encodeJpeg } from "../../src/native/index.js";
import { TarWriter } from "../../src/pipeline/tar-writer.js";
import { randomFor } from "../../src/shards/random.js";
import { joinUrl } from "../../src/storage/url.js";
import { type DemoImage, demoClasses, makeDemoImage } from "./images.js";

export interface DemoDataset {
  readonly tars: readonly string[];
  readonly images: number;
  /** One picture of each class, for the report. */
  readonly examples: readonly DemoImage[];
}

interface Entry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const text = (value: string) => new TextEncoder().encode(value);

function entriesOf(key: string, image: DemoImage): Entry[] {
  return [
    { name: `${key}.jpg`, bytes: image.jpeg },
    { name: `${key}.cls`, bytes: text(String(image.label)) },
    { name: `${key}.json`, bytes: text(JSON.stringify({ name: image.className })) },
  ];
}

/** Files as they turn up in every large collection; all but the truncated one are failures. */
function brokenEntries(image: DemoImage): Entry[] {
  const label = (key: string, jpeg: Uint8Array): Entry[] => [
    { name: `${key}.jpg`, bytes: jpeg },
    { name: `${key}.cls`, bytes: text(String(image.label)) },
  ];
  return [
    ...label("broken/truncated", image.jpeg.slice(0, Math.floor(image.jpeg.length * 0.7))),
    ...label("broken/error-page", text("<html><title>404 Not Found</title></html>")),
    ...label("broken/empty", new Uint8Array(0)),
    ...label("broken/cmyk", encodeJpeg(new Uint8Array(32 * 32 * 4).fill(90), 32, 32, 4)),
    { name: "broken/unlabelled.jpg", bytes: image.jpeg },
  ];
}

async function writeTar(url: string, entries: Iterable<Entry>): Promise<void> {
  const tar = await TarWriter.open(url);
  try {
    for (const { name, bytes } of entries) await tar.entry(name, bytes);
    await tar.commit();
  } catch (error) {
    await tar.abort();
    throw error;
  }
}

/** Writes `images` pictures, classes in turn, into tars of at most 400; the first tar also holds the broken files. */
export async function writeDemoDataset(
  folder: string,
  name: string,
  images: number,
  seed: number,
): Promise<DemoDataset> {
  const perTar = 400;
  const tars: string[] = [];
  const examples: DemoImage[] = [];
  for (let start = 0; start < images; start += perTar) {
    const entries: Entry[] = [];
    for (let i = start; i < Math.min(images, start + perTar); i++) {
      const image = makeDemoImage(i % demoClasses.length, randomFor(seed, `demo-${name}`, i));
      if (examples.length < demoClasses.length) examples.push(image);
      entries.push(...entriesOf(`${name}-${String(i).padStart(5, "0")}`, image));
    }
    if (start === 0) entries.push(...brokenEntries(examples[0] as DemoImage));
    const url = joinUrl(folder, `${name}-${String(tars.length).padStart(6, "0")}.tar`);
    await writeTar(url, entries);
    tars.push(url);
  }
  return { tars, images, examples };
}
