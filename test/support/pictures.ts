// Pictures of every kind that preprocess converts, with Pillow's pixels of them (test/fixtures/pictures.py), and some
// that nobody converts.
import { readFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "./files.js";

export interface Picture {
  readonly name: string;
  readonly file: Buffer;
  /** Pillow's convert("RGB"), as stored. */
  readonly rgb: Buffer;
  readonly width: number;
  readonly height: number;
  /** What the file says of how it is to be turned. */
  readonly orientation: number | undefined;
}

interface Entry {
  readonly file: string;
  readonly rgb: string;
  readonly width: number;
  readonly height: number;
  readonly orientation?: number;
}

export function readPictures(): Picture[] {
  const file = path.join(projectRoot, "test", "fixtures", "pictures.json");
  const entries = JSON.parse(readFileSync(file, "utf8")) as Record<string, Entry>; // our own
  return Object.entries(entries).map(([name, { file, rgb, width, height, orientation }]) => {
    return { name, file: Buffer.from(file, "base64"), rgb: Buffer.from(rgb, "base64"), width, height, orientation };
  });
}

export function pictureNamed(name: string): Picture {
  const found = readPictures().find((picture) => picture.name === name);
  if (found === undefined) throw new Error(`no picture is named ${name}`);
  return found;
}

/** Of two images of one size, in dB. */
export function psnr(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) throw new Error(`${a.length} samples against ${b.length}`);
  const error = a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0) / a.length;
  return 10 * Math.log10(255 ** 2 / error);
}

/** A grey image as RGB; RGB as it is. */
export function asRgb({ pixels, channels }: { readonly pixels: Uint8Array; readonly channels: number }): Uint8Array {
  return channels === 3
    ? pixels
    : Uint8Array.from({ length: 3 * pixels.length }, (_, i) => pixels[Math.floor(i / 3)] as number);
}

type TiffEntry = readonly [tag: number, type: 3 | 4, value: number];

/** An 8 x 8 TIFF of one strip of zeros, with entries of its directory replaced. */
export function makeTiff(...entries: readonly TiffEntry[]): Buffer {
  const usual: readonly TiffEntry[] = [
    [256, 3, 8],
    [257, 3, 8],
    [258, 3, 8],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 3, 8],
    [279, 4, 192],
  ];
  const all = [...new Map([...usual, ...entries].map((entry) => [entry[0], entry])).values()].sort(([a], [b]) => a - b);
  const file = Buffer.alloc(8 + 192 + 2 + 12 * all.length + 4);
  file.write("II*\0", "latin1");
  file.writeUInt32LE(200, 4);
  file.writeUInt16LE(all.length, 200);
  for (const [i, [tag, type, value]] of all.entries()) {
    const at = 202 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(1, at + 4);
    file.writeUInt32LE(value, at + 8);
  }
  return file;
}

/** An 8 x 8 TIFF in CIE Lab. */
export const labTiff = makeTiff([258, 3, 8], [262, 3, 8], [277, 3, 3]);
