// How large an image may be where no option says otherwise.

/** In pixels. */
export const defaultMaxPixels = 100_000_000;
/** In bytes of its file. */
export const defaultMaxImageBytes = 64 << 20;
