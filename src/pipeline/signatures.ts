// What files of each image format begin with. Characters stand for bytes, `.` for any.

export const signatures = {
  jpeg: ["\xff\xd8\xff"],
  png: ["\x89PNG\r\n\x1a\n"],
  gif: ["GIF87a", "GIF89a"],
  webp: ["RIFF....WEBP"],
  tiff: ["II*\0", "MM\0*"],
  bigTiff: ["II+\0", "MM\0+"],
  jpeg2000: ["\0\0\0\x0cjP  \r\n\x87\n"],
  jpeg2000Codestream: ["\xff\x4f\xff\x51"],
  jpegXl: ["\0\0\0\x0cJXL \r\n\x87\n"],
  jpegXlCodestream: ["\xff\x0a"],
  /** An ISO media file: AVIF, HEIC, and films too, by the brands that follow. */
  media: ["....ftyp"],
  bmp: ["BM"],
  photoshop: ["8BPS"],
  qoi: ["qoif"],
  icon: ["\0\0\x01\0"],
  openExr: ["v/1\x01"],
  radiance: ["#?RADIANCE"],
  dds: ["DDS "],
  pdf: ["%PDF-"],
  svg: ["<svg"],
  mng: ["\x8aMNG\r\n\x1a\n"],
  jng: ["\x8bJNG\r\n\x1a\n"],
} as const;

/** Whether `bytes` have one of the signatures, with `then` behind it. */
export function begins(bytes: Uint8Array, signature: readonly string[], then = ""): boolean {
  return signature.some((beginning) => {
    const text = beginning + then;
    if (bytes.length < text.length) return false;
    for (let i = 0; i < text.length; i++) if (text[i] !== "." && bytes[i] !== text.charCodeAt(i)) return false;
    return true;
  });
}
