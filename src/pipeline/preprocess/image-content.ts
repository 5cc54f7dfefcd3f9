// Whether bytes are an image's, by what its format begins with: for files whose names do not tell.
import { begins, signatures } from "../signatures.js";

/** First bytes that looksLikeImage wants; fewer of a shorter file. */
export const headBytes = 32;

const formats = [
  signatures.jpeg,
  signatures.png,
  signatures.gif,
  signatures.webp,
  signatures.tiff,
  signatures.jpegXl,
  signatures.jpegXlCodestream,
  signatures.jpeg2000,
];

/** Brands of images; other media files are films. */
const imageBrands = ["avif", "avis", "heic", "heix", "mif1"];

/** Sizes of a BMP's second header; "BM" alone begins many a text. */
const bitmapHeaders = new Set([12, 40, 52, 56, 64, 108, 124]);

/** Whether a file with this beginning is an image of a format that is known here, whether or not it can be decoded. */
export function looksLikeImage(head: Uint8Array): boolean {
  return (
    formats.some((signature) => begins(head, signature)) ||
    imageBrands.some((brand) => begins(head, signatures.media, brand)) ||
    isBitmap(head)
  );
}

function isBitmap(head: Uint8Array): boolean {
  return begins(head, signatures.bmp) && bitmapHeaders.has(head[14] ?? 0) && head[15] === 0 && head[16] === 0;
}
