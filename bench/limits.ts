// The ceilings of reading JPEGs on this machine: limits.cc, run on images in memory.
import { spawnSync } from "node:child_process";

/** Images as the programs in C++ read them: each behind its length. */
export function framed(images: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    images.flatMap((image) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(image.length);
      return [length, image];
    }),
  );
}

/** Images per second of all threads; `input` is framed, `program` the compiled limits.cc. */
export function measureLimits(
  program: string,
  input: Buffer,
  threads: number,
  seconds: string,
): { readonly libjpeg: number; readonly baseline: number } {
  const { stdout } = spawnSync(program, [String(threads), seconds], { input, encoding: "utf8" });
  const [libjpeg = 0, baseline = 0] = stdout.split(" ").map(Number);
  return { libjpeg, baseline };
}
