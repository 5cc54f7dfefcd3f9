// Names of files and archive members are bytes, of which most are UTF-8. Those that are not keep their bytes, escaped
// as in a URL, so that two of them never become one.
import { isUtf8 } from "node:buffer";
import path from "node:path";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Stands for itself in an escaped name: printable ASCII without what means something in a URL. */
const isPlainByte = (byte: number) => byte >= 0x20 && byte < 0x7f && !"%#?\\".includes(String.fromCharCode(byte));

/** A name as text: UTF-8 as it is; of any other every byte that is not plain ASCII as `%E9`. */
export function textOfName(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  // The replacement character is what the decoder writes for bytes that are not UTF-8, and may stand in a name as well.
  return text.includes("\ufffd") && !isUtf8(bytes) ? escapeBytes(bytes) : text;
}

function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes)
    text += isPlainByte(byte) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return text;
}

/**
 * The URL of a file in `folder`, a path or one of these URLs: a path wherever its bytes are text, a `file://` URL where
 * they are not.
 */
export function urlInFolder(folder: string, name: Buffer): string {
  const above = bytePath(folder);
  if (above === undefined && isUtf8(name)) return path.join(folder, name.toString());
  const whole = Buffer.concat([above ?? Buffer.from(path.resolve(folder)), Buffer.from("/"), name]);
  return `file://${escapeBytes(whole)}`;
}

/** The path that urlInFolder wrote as a URL; undefined for every URL and path that text can express. */
export function bytePath(url: string): Buffer | undefined {
  if (!url.startsWith("file:///") || !url.includes("%")) return undefined;
  const escaped = /%([0-9a-f]{2})|[^%]+/gi;
  const parts = Array.from(url.slice("file://".length).matchAll(escaped), ([text, code]) =>
    code === undefined ? Buffer.from(text) : Buffer.from([Number.parseInt(code, 16)]),
  );
  const bytes = Buffer.concat(parts);
  return isUtf8(bytes) ? undefined : bytes;
}
