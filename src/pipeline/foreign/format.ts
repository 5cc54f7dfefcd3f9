// Which format a file that is not a JPEG is of: by its first bytes and the structure behind them, never by its name,
// and never by what a decoder makes of it.
import { ToolkitError } from "../../errors.js";
import { begins, signatures } from "../signatures.js";

/** The formats that are read beside JPEG. */
export const foreignFormats = ["PNG", "WebP", "GIF", "TIFF", "AVIF"] as const;
export type ForeignFormat = (typeof foreignFormats)[number];

/** The brands of HEIC: still pictures and sequences of HEVC, and of layers of it. */
const hevcBrands = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);

/** No real file lists more brands than fit into this many bytes. */
const maxBrandBytes = 1024;

/** Formats that are known and not read. */
const unreadFormats: readonly (readonly [signature: readonly string[], name: string])[] = [
  [signatures.jpeg2000, "a JPEG 2000 file"],
  [signatures.jpeg2000Codestream, "a JPEG 2000 codestream"],
  [signatures.jpegXl, "a JPEG XL file"],
  [signatures.jpegXlCodestream, "a JPEG XL codestream"],
  [signatures.bmp, "a BMP file"],
  [signatures.photoshop, "a Photoshop file"],
  [signatures.qoi, "a QOI file"],
  [signatures.icon, "an icon file"],
  [signatures.openExr, "an OpenEXR file"],
  [signatures.radiance, "a Radiance file"],
  [signatures.dds, "a DDS file"],
  [signatures.pdf, "a PDF file"],
  [signatures.svg, "an SVG file"],
  [signatures.mng, "an MNG file"],
  [signatures.jng, "a JNG file"],
];

/**
 * The format of a file that we can convert; undefined for a JPEG and for what is not known. UNSUPPORTED_IMAGE for a
 * known one that is not read.
 */
export function foreignFormat(bytes: Uint8Array): ForeignFormat | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return undefined;
  if (begins(bytes, signatures.png, "....IHDR")) return "PNG";
  if (begins(bytes, signatures.gif)) return "GIF";
  if (["VP8 ", "VP8L", "VP8X"].some((chunk) => begins(bytes, signatures.webp, chunk))) return "WebP";
  if (begins(bytes, signatures.tiff) || begins(bytes, signatures.bigTiff)) return "TIFF";
  const brands = brandsOf(bytes);
  if (brands.length > 0) return formatOfBrands(brands);
  const name = unreadFormats.find(([signature]) => begins(bytes, signature))?.[1] ?? netpbmName(bytes);
  if (name !== undefined) throw unsupported(name);
  return undefined;
}

/** The brands of an ISO media file, the major one first; empty for anything else. */
function brandsOf(bytes: Uint8Array): string[] {
  if (bytes.length < 16 || !begins(bytes, signatures.media)) return [];
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = file.readUInt32BE(0);
  if (end < 16 || end % 4 !== 0 || end > Math.min(bytes.length, maxBrandBytes)) return [];
  const starts = [8, ...Array.from({ length: (end - 16) / 4 }, (_, i) => 16 + 4 * i)];
  return starts.map((at) => file.toString("latin1", at, at + 4));
}

/** Files of other major brands are AVIF too where the compatible ones contain it; a HEIC file is not. */
function formatOfBrands(brands: readonly string[]): ForeignFormat {
  const [major = ""] = brands;
  if (!hevcBrands.has(major) && (brands.includes("avif") || brands.includes("avis"))) return "AVIF";
  if (brands.some((brand) => hevcBrands.has(brand))) throw unsupported("a HEIC file");
  throw unsupported(`a media file of brand ${JSON.stringify(major)}`);
}

function netpbmName(bytes: Uint8Array): string | undefined {
  const [p, kind = 0, space = 0] = bytes;
  const isNetpbm = p === 0x50 && kind >= 0x31 && kind <= 0x37 && [0x09, 0x0a, 0x0d, 0x20].includes(space);
  return isNetpbm ? "a Netpbm file" : undefined;
}

function unsupported(name: string): ToolkitError {
  return new ToolkitError("UNSUPPORTED_IMAGE", `${name}; what is read is JPEG, ${foreignFormats.join(", ")}`);
}
