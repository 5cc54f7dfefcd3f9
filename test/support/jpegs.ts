// JPEGs of every kind, made from a seed.
import { type EncodeOptions, encodeJpeg } from "../../src/native/index.js";
import { type Random, randomFor } from "../../src/shards/random.js";

/** The sine and the cosine of every angle, by turns. */
function sinesAndCosines(count: number, angle: (i: number) => number): Float64Array {
  return Float64Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? Math.sin : Math.cos)(angle(i >> 1)));
}

/** Smooth shapes with noise on top, so that all frequencies hold something: [height, width, channels]. */
export function testPixels(width: number, height: number, channels: number, random: Random): Uint8Array {
  const waves = Array.from(
    { length: 4 * channels },
    () => [random.next() * 0.3, random.next() * 0.3, random.next() * 6] as const,
  );
  // sin(ux + vy + phase) by the sines and cosines of its parts: a sine per pixel and wave would be most of what making
  // test data takes.
  const columns = waves.map(([u]) => sinesAndCosines(width, (x) => u * x));
  const rows = waves.map(([, v, phase]) => sinesAndCosines(height, (y) => v * y + phase));
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++, at++) {
        let shape = 0;
        for (let wave = 4 * c; wave < 4 * c + 4; wave++) {
          const [column, row] = [columns[wave] as Float64Array, rows[wave] as Float64Array];
          shape +=
            (column[2 * x] as number) * (row[2 * y + 1] as number) +
            (column[2 * x + 1] as number) * (row[2 * y] as number);
        }
        pixels[at] = Math.min(255, Math.max(0, 128 + 28 * shape + 24 * (random.next() - 0.5)));
      }
    }
  }
  return pixels;
}

export interface JpegKind extends EncodeOptions {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
}

export function makeJpeg(kind: JpegKind, seed = 1): Uint8Array<ArrayBuffer> {
  const { name, width, height, channels, ...options } = kind;
  return encodeJpeg(
    testPixels(width, height, channels, randomFor(seed, name, width, height)),
    width,
    height,
    channels,
    options,
  );
}

const colour = { channels: 3 } as const;

/** Samplings, odd sizes, odd block counts and coding modes. */
export const jpegKinds: readonly JpegKind[] = [
  { name: "4:4:4", width: 64, height: 48, ...colour },
  { name: "4:4:4 odd", width: 101, height: 77, quality: 96, ...colour },
  { name: "4:2:0", width: 96, height: 80, lumaH: 2, lumaV: 2, ...colour },
  { name: "4:2:0 odd luma blocks", width: 100, height: 71, lumaH: 2, lumaV: 2, quality: 95, ...colour },
  { name: "4:2:2", width: 75, height: 64, lumaH: 2, ...colour },
  { name: "4:4:0", width: 64, height: 75, lumaV: 2, ...colour },
  { name: "4:1:1", width: 131, height: 40, lumaH: 4, ...colour },
  { name: "grey", width: 83, height: 65, channels: 1 },
  { name: "restarts", width: 120, height: 90, lumaH: 2, lumaV: 2, restartInterval: 3, ...colour },
  { name: "quality 100", width: 57, height: 49, quality: 100, ...colour },
  { name: "quality 10", width: 90, height: 90, quality: 10, lumaH: 2, lumaV: 2, ...colour },
  { name: "tiny", width: 1, height: 1, ...colour },
  { name: "wide", width: 300, height: 9, lumaH: 2, lumaV: 2, ...colour },
  { name: "tall, several frames", width: 24, height: 400, lumaH: 2, lumaV: 2, ...colour },
];

export const progressiveKind: JpegKind = {
  name: "progressive",
  width: 90,
  height: 70,
  lumaH: 2,
  lumaV: 2,
  progressive: true,
  ...colour,
};
export const arithmeticKind: JpegKind = { name: "arithmetic", width: 90, height: 70, arithmetic: true, ...colour };
export const cmykKind: JpegKind = { name: "cmyk", width: 40, height: 40, channels: 4 };
export const rgbKind: JpegKind = { name: "rgb", width: 40, height: 40, keepRgb: true, ...colour };

/** A progressive file whose last scan, a pass over the whole image in a few bytes, comes `times` more. */
export function withScansAgain(width: number, height: number, times: number): Uint8Array {
  const file = encodeJpeg(new Uint8Array(width * height).fill(90), width, height, 1, { progressive: true });
  const scan = Buffer.from(file).lastIndexOf(Buffer.from([0xff, 0xda]));
  const end = file.length - 2;
  const again = Array.from({ length: times }, () => file.subarray(scan, end));
  return Buffer.concat([file.subarray(0, end), ...again, file.subarray(end)]);
}

/** The file with quantisation steps of 16 bits, all of them the largest. */
function withLargestSteps(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [file.subarray(0, 2)];
  for (let at = 2, scan = false; !scan; ) {
    const length = 2 + ((file[at + 2] as number) << 8) + (file[at + 3] as number);
    const segment = file.subarray(at, at + length);
    scan = segment[1] === 0xda;
    at += length;
    if (segment[1] !== 0xdb) {
      parts.push(scan ? file.subarray(at - length) : segment);
      continue;
    }
    for (let table = 4; table < length; table += 65) {
      const steps = new Uint8Array(128).fill(0xff);
      parts.push(Uint8Array.of(0xff, 0xdb, 0, 131, 0x10 | (segment[table] as number)), steps);
    }
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** Files of the largest coefficients that 8-bit samples give, some of them with steps to which no sum is equal. */
export function extremeJpegs(): Uint8Array<ArrayBuffer>[] {
  const random = randomFor(1, "extreme");
  const [width, height] = [203, 101];
  return [{}, { lumaH: 2, lumaV: 2 }, { lumaH: 2, restartInterval: 5 }].flatMap((sampling) => {
    const pixels = Uint8Array.from({ length: width * height * 3 }, () => (random.next() < 0.5 ? 0 : 255));
    // In some blocks nothing but one frequency, as large as it can be.
    for (let y = 0; y < height; y++)
      for (let at = y * width * 3; at < y * width * 3 + 300; at++)
        pixels[at] = Math.cos(((2 * (Math.floor(at / 3) % width) + 1) * ((y >> 3) % 8) * Math.PI) / 16) < 0 ? 0 : 255;
    const file = encodeJpeg(pixels, width, height, 3, { quality: 100, ...sampling });
    return [file, withLargestSteps(file)];
  });
}
