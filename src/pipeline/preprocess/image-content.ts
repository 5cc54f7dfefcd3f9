// Whether bytes are an image's, by what its format begins with: for files whose names do not tell.

/** First bytes that looksLikeImage wants; fewer of a shorter file. */
export const headBytes = 32;

/** One image format by its first bytes: characters are bytes, `?` is any. */
const beginnings = [
  "\xff\xd8\xff",
  "\x89PNG\r\n\x1a\n",
  "GIF87a",
  "GIF89a",
  "RIFF????WEBP",
  "II*\0",
  "MM\0*",
  "????ftypavif",
  "????ftypavis",
  "????ftypheic",
  "????ftypheix",
  "????ftypmif1",
  "\0\0\0\x0cJXL \r\n\x87\n",
  "\xff\x0a", // a JPEG XL codestream
  "\0\0\0\x0cjP  \r\n\x87\n",
];

/** Sizes of a BMP's second header; "BM" alone begins many a text. */
const bitmapHeaders = new Set([12, 40, 52, 56, 64, 108, 124]);

/** Whether a file with this beginning is an image of a format that is known here, whether or not it can be decoded. */
export function looksLikeImage(head: Uint8Array): boolean {
  return beginnings.some((beginning) => startsWith(head, beginning)) || isBitmap(head);
}

function startsWith(head: Uint8Array, beginning: string): boolean {
  if (head.length < beginning.length) return false;
  for (let i = 0; i < beginning.length; i++)
    if (beginning[i] !== "?" && head[i] !== beginning.charCodeAt(i)) return false;
  return true;
}

function isBitmap(head: Uint8Array): boolean {
  return head[0] === 0x42 && head[1] === 0x4d && bitmapHeaders.has(head[14] ?? 0) && head[15] === 0 && head[16] === 0;
}
