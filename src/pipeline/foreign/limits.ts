// What an image of another format may cost, by its size: several times what honest files do, on a slow machine too.

export interface DecodeLimits {
  /** Seconds of a processor for any image, and more per million pixels. */
  readonly baseSeconds: number;
  readonly secondsPerMegapixel: number;
  /**
   * Memory beside an idle process's: for any image, per byte of the file, and per pixel for the decoder's planes and
   * buffers.
   */
  readonly baseBytes: number;
  readonly bytesPerFileByte: number;
  readonly bytesPerPixel: number;
  /** However little of a processor it takes: nothing waits longer for a decoder. */
  readonly wallMs: number;
}

export const decodeLimits: DecodeLimits = {
  baseSeconds: 10,
  secondsPerMegapixel: 0.5,
  baseBytes: 256 << 20,
  bytesPerFileByte: 4,
  bytesPerPixel: 32,
  wallMs: 30 * 60_000,
};

/** Memory that a process may keep from one image to the next; with more, a new one takes its place. */
export const keptBytes = 256 << 20;
