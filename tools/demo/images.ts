// Procedural pictures for the demo: photo-like textures in eight classes, four patterns by two hues. Both hues have the
// same luma, so that the pattern is seen in luma alone and the hue in chroma alone: a network needs both.
import { type EncodeOptions, encodeJpeg } from "../../src/native/index.js";
import type { Random } from "../../src/shards/random.js";

const patterns = ["striped", "dotted", "checked", "cloudy"] as const;
const hues = ["amber", "blue"] as const;

export const demoClasses: readonly string[] = patterns.flatMap((pattern) => hues.map((hue) => `${pattern}-${hue}`));

export interface DemoImage {
  readonly jpeg: Uint8Array;
  readonly label: number;
  readonly className: string;
  readonly width: number;
  readonly height: number;
  readonly encoding: string;
}

/** The encodings found in the wild, each about as often as the others. */
const encodings: readonly (EncodeOptions & { readonly name: string })[] = [
  { name: "4:4:4", quality: 92 },
  { name: "4:2:0", quality: 85, lumaH: 2, lumaV: 2 },
  { name: "4:2:2", quality: 88, lumaH: 2 },
  { name: "4:4:0", quality: 90, lumaV: 2 },
  { name: "4:2:0 progressive", quality: 80, lumaH: 2, lumaV: 2, progressive: true },
  { name: "4:2:0 with restarts", quality: 75, lumaH: 2, lumaV: 2, restartInterval: 4 },
];

type Field = (x: number, y: number) => number;

const smooth = (t: number) => t * t * (3 - 2 * t);

/** Value noise: random heights on a grid, smoothly joined. */
function noise(random: Random, cell: number): Field {
  const size = 64;
  const heights = Float32Array.from({ length: size * size }, () => random.next() * 2 - 1);
  const at = (i: number, j: number) => heights[((j & (size - 1)) << 6) | (i & (size - 1))] as number;
  return (x, y) => {
    const [u, v] = [x / cell, y / cell];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [s, t] = [smooth(u - i), smooth(v - j)];
    const top = at(i, j) * (1 - s) + at(i + 1, j) * s;
    const bottom = at(i, j + 1) * (1 - s) + at(i + 1, j + 1) * s;
    return top * (1 - t) + bottom * t;
  };
}

function fractal(random: Random, cell: number): Field {
  const octaves = [1, 2, 4, 8].map((factor) => ({
    field: noise(random, Math.max(1.5, cell / factor)),
    weight: 1 / factor,
  }));
  return (x, y) => octaves.reduce((sum, { field, weight }) => sum + weight * field(x, y), 0) / 1.875;
}

/** The class's pattern as luma in [-1, 1], turned, scaled and bent so that no two pictures are alike. */
function patternField(pattern: (typeof patterns)[number], random: Random): Field {
  const period = 9 + 8 * random.next();
  const angle = pattern === "striped" ? random.next() * Math.PI : (random.next() - 0.5) * 0.6;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const bend = noise(random, 50);
  const turned =
    (field: Field): Field =>
    (x, y) => {
      const warp = 4 * bend(x, y);
      return field((x * cos - y * sin + warp) / period, (x * sin + y * cos + warp) / period);
    };
  const cloud = fractal(random, 40);
  switch (pattern) {
    case "striped":
      return turned((u) => Math.tanh(3 * Math.sin(2 * Math.PI * u)));
    case "dotted":
      return turned((u, v) => Math.tanh(9 * (0.33 - Math.hypot(u - Math.round(u), v - Math.round(v)))));
    case "checked":
      return turned((u, v) => Math.tanh(6 * Math.sin(Math.PI * u) * Math.sin(Math.PI * v)));
    case "cloudy":
      return (x, y) => 1.4 * cloud(x, y);
  }
}

/** Chroma (Cb, Cr) of a hue, with a little drift from picture to picture. */
function chromaOf(hue: (typeof hues)[number], random: Random): readonly [number, number] {
  const angle = (hue === "amber" ? 2.45 : 5.4) + (random.next() - 0.5) * 0.5;
  const strength = 22 + 22 * random.next();
  return [strength * Math.cos(angle), strength * Math.sin(angle)];
}

function renderPixels(label: number, width: number, height: number, random: Random): Uint8Array {
  const pattern = patterns[label >> 1] as (typeof patterns)[number];
  const field = patternField(pattern, random);
  const light = noise(random, 90);
  const grain = fractal(random, 6);
  const tint = noise(random, 60);
  const [cb, cr] = chromaOf(hues[label & 1] as (typeof hues)[number], random);
  const contrast = 30 + 30 * random.next();
  const brightness = 105 + 40 * random.next();
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const luma = brightness + contrast * field(x, y) + 25 * light(x, y) + 14 * grain(x, y);
      const saturation = 1 + 0.4 * tint(x, y);
      const rgb = [
        luma + 1.402 * cr * saturation,
        luma - 0.344 * cb * saturation - 0.714 * cr * saturation,
        luma + 1.772 * cb * saturation,
      ];
      for (let c = 0; c < 3; c++) pixels[at + c] = Math.min(255, Math.max(0, Math.round(rgb[c] as number)));
    }
  }
  return pixels;
}

export function makeDemoImage(label: number, random: Random): DemoImage {
  const width = 88 + random.below(90);
  const height = 88 + random.below(90);
  const { name, ...options } = encodings[random.below(encodings.length)] as (typeof encodings)[number];
  const jpeg = encodeJpeg(renderPixels(label, width, height, random), width, height, 3, options);
  return { jpeg, label, className: demoClasses[label] as string, width, height, encoding: name };
}
