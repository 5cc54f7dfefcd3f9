// What a GIF contains about its first frame: where it lies on the canvas, and the colour of what shows through.
// Decoders make that black.

/** A rectangle in pixels of the canvas. */
export interface GifFrame {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /**
   * The colour of transparent pixels and of the canvas beside the frame: the transparent entry of the palette, or its
   * first.
   */
  readonly background: readonly [number, number, number];
}

const extension = 0x21;
const graphicControl = 0xf9;
const imageDescriptor = 0x2c;
const headerBytes = 13;

/**
 * Undefined where the file ends before a frame begins; whether the frame itself is whole is for the decoder to find.
 */
export function firstGifFrame(bytes: Uint8Array): GifFrame | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const globalPalette = paletteBytes(bytes[10]);
  let transparent: number | undefined;
  let at = headerBytes + globalPalette;
  while (bytes[at] === extension) {
    if (bytes[at + 1] === graphicControl && ((bytes[at + 3] ?? 0) & 1) === 1) transparent = bytes[at + 6];
    at = skipBlocks(bytes, at + 2);
  }
  if (bytes[at] !== imageDescriptor || at + 10 > bytes.length) return undefined;
  const [left, top] = [view.getUint16(at + 1, true), view.getUint16(at + 3, true)];
  const localPalette = paletteBytes(bytes[at + 9]);
  const index = transparent ?? 0;
  const [start, length] = localPalette > 0 ? [at + 10, localPalette] : [headerBytes, globalPalette];
  // Without a palette, or beyond its end, an index is a grey level.
  const channel = (c: number) => (3 * index + c < length ? (bytes[start + 3 * index + c] ?? 0) : index);
  return {
    left,
    top,
    right: left + view.getUint16(at + 5, true),
    bottom: top + view.getUint16(at + 7, true),
    background: [channel(0), channel(1), channel(2)],
  };
}

/** The length of the colour table that a byte of flags announces. */
function paletteBytes(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * (2 << (flags & 7));
}

/** Past a chain of blocks, each with its length in front, that one of length zero ends. */
function skipBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let length = bytes[at]; length !== undefined && length > 0; length = bytes[at]) at += length + 1;
  return at + 1;
}
