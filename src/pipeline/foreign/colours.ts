// Decoded samples of any kind -> 8-bit grey or RGB, by the one rule of docs/preprocess.md: the numbers that are stored,
// as Pillow's convert("RGB") takes them. Profiles are ignored and alpha is dropped.
import { ToolkitError } from "../../errors.js";
import type { GifFrame } from "./gif-frame.js";

/** Sample types by libvips's names. */
const sampleTypes = {
  uchar: Uint8Array,
  char: Int8Array,
  ushort: Uint16Array,
  short: Int16Array,
  uint: Uint32Array,
  int: Int32Array,
  float: Float32Array,
  double: Float64Array,
} as const;
export type SampleType = keyof typeof sampleTypes;

/**
 * How the channels of an image are meant: "cmyk" with ink as large numbers. Alpha and other extra channels come last.
 */
export type ColourKind = "grey" | "rgb" | "cmyk";

export interface DecodedImage {
  readonly width: number;
  readonly height: number;
  /** Channels per pixel that are stored, of which the kind's are first. */
  readonly channels: number;
  readonly kind: ColourKind;
  readonly type: SampleType;
  /** Samples in rows, in the machine's order of bytes. */
  readonly data: Buffer;
}

/** Decoded pixels, [height, width, channels], 8 bit: grey (1 channel) or RGB (3). */
export interface PlainPixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array<ArrayBuffer>;
}

const kinds: Readonly<Record<string, ColourKind>> = {
  "b-w": "grey",
  grey16: "grey",
  srgb: "rgb",
  rgb: "rgb",
  rgb16: "rgb",
  cmyk: "cmyk",
};

/**
 * What libvips' name of a colour space means here. BAD_IMAGE for spaces and samples without a rule: CIE Lab,
 * floating-point RGB.
 */
export function colourKind(space: string, type: string): ColourKind {
  const kind = kinds[space];
  if (kind === undefined) throw new ToolkitError("BAD_IMAGE", `colours of the space ${space}, which are not converted`);
  if (!(type in sampleTypes) || (kind !== "grey" && type !== "uchar" && type !== "ushort"))
    throw new ToolkitError("BAD_IMAGE", `samples of the type ${type} in the space ${space}, which are not converted`);
  return kind;
}

/** 16-bit samples are divided by 256; those of 32 bits, signed and floating-point ones are cut off at 0 and 255. */
export function toPlainPixels(image: DecodedImage): PlainPixels {
  const { width, height, kind, channels } = image;
  const samples = eightBit(image);
  const out = new Uint8Array(width * height * (kind === "grey" ? 1 : 3));
  if (kind === "cmyk") inksToRgb(samples, channels, out);
  else takeChannels(samples, channels, kind === "grey" ? 1 : 3, out);
  return { width, height, channels: kind === "grey" ? 1 : 3, pixels: out };
}

function eightBit({ data, type }: DecodedImage): Uint8Array {
  if (type === "uchar") return data;
  const Samples = sampleTypes[type];
  const aligned = data.byteOffset % Samples.BYTES_PER_ELEMENT === 0 ? data : new Uint8Array(data);
  const samples = new Samples(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.byteLength / Samples.BYTES_PER_ELEMENT,
  );
  const out = new Uint8Array(samples.length);
  if (type === "ushort") for (let i = 0; i < out.length; i++) out[i] = (samples[i] as number) >> 8;
  // Towards zero, as Pillow, where Uint8ClampedArray would round.
  else for (let i = 0; i < out.length; i++) out[i] = Math.trunc(Math.min(255, Math.max(0, samples[i] as number)));
  return out;
}

function takeChannels(samples: Uint8Array, channels: number, kept: 1 | 3, out: Uint8Array): void {
  if (channels === kept) {
    out.set(samples);
    return;
  }
  for (let from = 0, to = 0; to < out.length; from += channels)
    for (let c = 0; c < kept; c++) out[to++] = samples[from + c] as number;
}

/** Converts inks without a profile: each of cyan, magenta and yellow takes its share of the light that black leaves. */
function inksToRgb(samples: Uint8Array, channels: number, out: Uint8Array): void {
  for (let from = 0, to = 0; to < out.length; from += channels) {
    const light = 255 - (samples[from + 3] as number);
    for (let c = 0; c < 3; c++) out[to++] = light - Math.round(((samples[from + c] as number) * light) / 255);
  }
}

/** Gives what a GIF does not cover, which is transparent or beside its frame, the palette's colour for it. */
export function fillGifBackground({ width, height, channels, data }: DecodedImage, frame: GifFrame): void {
  const colours = channels < 3 ? 1 : 3;
  const hasAlpha = channels > colours;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += channels) {
      const inside = x >= frame.left && x < frame.right && y >= frame.top && y < frame.bottom;
      if (inside && !(hasAlpha && data[at + colours] === 0)) continue;
      for (let c = 0; c < colours; c++) data[at + c] = frame.background[c] as number;
    }
  }
}
