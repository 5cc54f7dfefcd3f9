// Tar bytes -> entries held whole, one at a time. Grouping and meaning are left to others.
import type { Writable } from "node:stream";
import { extract } from "tar-stream";
import { ToolkitError } from "../../errors.js";

export interface TarEntry {
  readonly name: string;
  /** In a buffer of its own. Undefined when the entry was larger than allowed and skipped. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  readonly byteLength: number;
}

/** An image this large is none: 512 MiB of JPEG would be thousands of megapixels. */
const maxEntryBytes = 512 << 20;

/** The regular files of a tar in order. TRUNCATED_TAR when it ends inside an entry, BAD_TAR when it is none. */
export async function* readTar(bytes: AsyncIterable<Uint8Array>, source: string): AsyncGenerator<TarEntry> {
  const tar = extract();
  const feeding = feed(bytes, tar, source);
  feeding.catch(() => {}); // looked at below, when the parser has stopped
  try {
    for await (const entry of tar) {
      const { name, size = 0, type } = entry.header;
      if (type !== "file" && type !== "contiguous-file") {
        entry.resume();
        continue;
      }
      if (size > maxEntryBytes) {
        entry.resume();
        yield { name, bytes: undefined, byteLength: size };
        continue;
      }
      yield { name, bytes: await readEntry(entry as AsyncIterable<Uint8Array>, size, name, source), byteLength: size };
    }
    await feeding;
  } catch (cause) {
    await feeding; // what went wrong with the bytes themselves explains what the parser made of it
    if (cause instanceof ToolkitError) throw cause;
    const { message } = cause as Error;
    if (/unexpected end/i.test(message)) throw truncated(message, source, cause);
    throw new ToolkitError("BAD_TAR", `not a readable tar: ${message}`, { source, cause });
  } finally {
    tar.destroy();
  }
}

function truncated(message: string, source: string, cause?: unknown): ToolkitError {
  return new ToolkitError("TRUNCATED_TAR", `the tar ends inside an entry: ${message}`, { source, cause });
}

async function readEntry(
  entry: AsyncIterable<Uint8Array>,
  size: number,
  name: string,
  source: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let filled = 0;
  for await (const chunk of entry) {
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled === size) return bytes;
  throw new ToolkitError("TRUNCATED_TAR", `entry has ${filled} of ${size} bytes`, { source, key: name });
}

/** A block of 512 bytes is the unit of a tar; the parser itself ignores what is left of one at the end. */
const blockBytes = 512;

async function feed(bytes: AsyncIterable<Uint8Array>, tar: ReturnType<typeof extract>, source: string): Promise<void> {
  let total = 0;
  try {
    for await (const chunk of bytes) {
      total += chunk.length;
      if (tar.destroyed) return;
      if (!tar.write(chunk))
        await new Promise<void>((resolve) => {
          const go = () => {
            tar.off("drain", go);
            tar.off("close", go);
            resolve();
          };
          tar.on("drain", go);
          tar.on("close", go);
        });
    }
    if (total % blockBytes !== 0) throw truncated(`${total} bytes are no whole number of 512-byte blocks`, source);
    (tar as unknown as Writable).end(); // streamx's types ask for a chunk here
  } catch (error) {
    tar.destroy(error as Error);
    throw error;
  }
}
