// A source's bytes for a parser: as they are, or decompressed when it is a .tar.gz, whose offsets count decompressed
// bytes.
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ToolkitError } from "../../errors.js";
import { at } from "../../storage/at.js";
import { baseName } from "../../storage/url.js";
import { watched } from "../stage-clock.js";
import { ByteReader } from "./byte-reader.js";

export function isGzipName(url: string): boolean {
  return /\.(tar\.gz|tgz)$/i.test(baseName(url));
}

export interface SourceBytesOptions {
  readonly url: string;
  readonly byteLength: number;
  /** Receives how far into the object reading has come. */
  readonly onProgress?: (position: number) => void;
  /** Whether the object's bytes are waited for; for compressed ones this is not known. */
  readonly onWait?: (waiting: boolean) => void;
  /** Whether only the beginning is wanted. Default false. */
  readonly peek?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Opens a source. Reading throws TRUNCATED_TAR or BAD_TAR when a compressed source is damaged. */
export function openSourceBytes(options: SourceBytesOptions): ByteReader {
  if (isGzipName(options.url)) return new ByteReader({ open: () => gunzip(options), seekableBytes: undefined });
  return new ByteReader({ open: (start) => readObject(options, start), seekableBytes: options.byteLength });
}

async function* readObject(options: SourceBytesOptions, start: number, reuseChunks = true): AsyncGenerator<Uint8Array> {
  const { url, onProgress, onWait = () => {}, peek = false, signal } = options;
  let position = start;
  for await (const chunk of watched(at(url).stream({ start, reuseChunks, peek, signal }), onWait)) {
    position += chunk.length;
    onProgress?.(position);
    yield chunk;
  }
}

async function* gunzip(options: SourceBytesOptions): AsyncGenerator<Uint8Array> {
  const { url, signal } = options;
  const plain = createGunzip({ chunkSize: 1 << 18 });
  const { onWait: _, ...unheard } = options;
  // Its error surfaces in the loop below.
  pipeline(Readable.from(readObject(unheard, 0, false), { objectMode: false }), plain, () => {});
  try {
    yield* plain as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (cause instanceof ToolkitError || signal?.aborted) throw cause;
    const code = (cause as NodeJS.ErrnoException).code === "Z_BUF_ERROR" ? "TRUNCATED_TAR" : "BAD_TAR";
    throw new ToolkitError(code, `cannot decompress it: ${(cause as Error).message}`, { source: url, cause });
  } finally {
    plain.destroy();
  }
}
