// What a record's `flags` column contains; apart from record.ts, which loads Arrow.

/** Bits of the `flags` column. */
export const recordFlags = {
  progressive: 1,
  arithmetic: 2,
  /** The JPEG cannot be rebuilt from coefficients; the `raw` column holds it. */
  rawStored: 4,
  /**
   * Decoded to pixels and encoded again at quality 100: its colours or its format cannot be stored, or it was turned
   * upright.
   */
  converted: 8,
  /** A resized form: what is stored, and rebuilt, is the resized image. */
  resized: 16,
  /** The file stayed in its source, of which the shard's seek file says how to enter it; no coefficients are stored. */
  inSource: 32,
} as const;
