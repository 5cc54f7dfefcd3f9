// The names of codecs; the addon's table (packed/codec.h) has the same.

/** How the streams of a packed record are stored; docs/shards.md. */
export const codecs = ["zstd", "none"] as const;

/** How packed streams are stored: one of `codecs`. */
export type Codec = (typeof codecs)[number];

export const defaultCodec: Codec = "zstd";

/** The one whose streams are stored as they are: twice the bytes, and a fraction of the time to unpack. */
export const plainCodec: Codec = "none";

export const isCodec = (name: unknown): name is Codec => codecs.some((codec) => codec === name);
