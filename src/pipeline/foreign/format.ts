// Which format a file that is not a JPEG is of: by its first bytes and the structure behind them, never by its name,
// and never by what a decoder makes of it.
import { ToolkitError } from "../../errors.js";

/** The formats that are read beside JPEG. */
export const foreignFormats = ["PNG", "WebP", "GIF", "TIFF", "AVIF"] as const;
export type ForeignFormat = (typeof foreignFormats)[number];

/** The brands of HEIC: still pictures and sequences of HEVC, and of layers of it. */
const hevcBrands = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);

/** No real file lists more brands than fit into this many bytes. */
const maxBrandBytes = 1024;

/** What other formats begin with. */
const unreadFormats: readonly (readonly [magic: string, name: string])[] = [
  ["\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"],
  ["\xff\x4f\xff\x51", "a JPEG 2000 codestream"],
  ["\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"],
  ["\xff\x0a", "a JPEG XL codestream"],
  ["BM", "a BMP file"],
  ["8BPS", "a Photoshop file"],
  ["qoif", "a QOI file"],
  ["\0\0\x01\0", "an icon file"],
  ["v/1\x01", "an OpenEXR file"],
  ["#?RADIANCE", "a Radiance file"],
  ["DDS ", "a DDS file"],
  ["%PDF-", "a PDF file"],
  ["<svg", "an SVG file"],
  ["\x8aMNG\r\n\x1a\n", "an MNG file"],
  ["\x8bJNG\r\n\x1a\n", "a JNG file"],
];

/**
 * The format of a file that we can convert; undefined for a JPEG and for what is not known. UNSUPPORTED_IMAGE for a
 * known one that is not read.
 */
export function foreignFormat(bytes: Uint8Array): ForeignFormat | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return undefined;
  if (hasMagic(bytes, "\x89PNG\r\n\x1a\n") && hasMagic(bytes, "IHDR", 12)) return "PNG";
  if (hasMagic(bytes, "GIF87a") || hasMagic(bytes, "GIF89a")) return "GIF";
  if (hasMagic(bytes, "RIFF") && ["VP8 ", "VP8L", "VP8X"].some((chunk) => hasMagic(bytes, `WEBP${chunk}`, 8)))
    return "WebP";
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].some((magic) => hasMagic(bytes, magic))) return "TIFF";
  const brands = brandsOf(bytes);
  if (brands.length > 0) return formatOfBrands(brands);
  const name = unreadFormats.find(([magic]) => hasMagic(bytes, magic))?.[1] ?? netpbmName(bytes);
  if (name !== undefined) throw unsupported(name);
  return undefined;
}

function hasMagic(bytes: Uint8Array, magic: string, at = 0): boolean {
  return [...magic].every((character, i) => bytes[at + i] === character.charCodeAt(0));
}

/** The brands of an ISO media file, the major one first; empty for anything else. */
function brandsOf(bytes: Uint8Array): string[] {
  if (bytes.length < 16 || !hasMagic(bytes, "ftyp", 4)) return [];
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
