// The ceilings of reading JPEGs on this machine, and kernels without I/O: programs in C++, run on images in memory.
import { spawnSync } from "node:child_process";
import { usually } from "./settings.js";

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

/**
 * Images per second by what is done with them: `program`, the compiled views.cc, in one thread. Views of 224 pixels, of
 * random crops or of whole images of that size.
 */
export function kernelRates(
  program: string,
  images: readonly Uint8Array[],
  kind: "resized" | "whole",
): Record<string, number> {
  const done = spawnSync(program, ["224", kind, usually("9", "1")], { input: framed(images), maxBuffer: 1 << 24 });
  if (done.status !== 0) throw new Error(`${program} ended with ${done.signal ?? done.status}: ${done.stderr}`);
  const lines = String(done.stdout).trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split(" ")).map(([name, rate]) => [name, Number(rate)]));
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
