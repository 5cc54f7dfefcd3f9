// How large an image may be where no option says otherwise.

/** The most pixels of an image, where no option allows others. */
export const defaultMaxPixels = 100_000_000;
/** The most bytes of an image file, where no option allows others. */
export const defaultMaxImageBytes = 64 << 20;

/** The most samples of a sealed block of an index. */
export const maxBlockSamples = 128;
