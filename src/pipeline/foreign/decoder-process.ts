// A process that decodes images of other formats for one thread, one after the other. It watches itself: where an image
// costs more than one of its size may, it reports that and ends at once, which is the only way to stop a decoder that
// has gone astray.
import { toWire } from "../../errors.js";
import { decodeImage } from "./decode-image.js";
import type { DecoderMessage, LimitedTask } from "./decode-task.js";
import { type DecodeLimits, keptBytes } from "./limits.js";

const watchMs = 50;

// Its thread's process decides when to end; a terminal's Ctrl-C reaches this one too.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
// An orderly exit would wait for the decoder.
const end = () => process.kill(process.pid, "SIGKILL");
process.on("disconnect", end);

const idleMemory = process.memoryUsage.rss();

/** Says what came of a file, and ends where no other is to follow. */
function answer(message: Exclude<DecoderMessage, { kind: "ready" }>): void {
  process.send?.(message, undefined, undefined, () => message.last && end());
}

function secondsFor({ baseSeconds, secondsPerMegapixel }: DecodeLimits, pixels: number): number {
  return baseSeconds + Math.ceil((pixels * secondsPerMegapixel) / 1e6);
}

function memoryFor(limits: DecodeLimits, pixels: number, fileBytes: number): number {
  return limits.baseBytes + limits.bytesPerFileByte * fileBytes + limits.bytesPerPixel * pixels;
}

/** Ends the process with an answer that names the reason when the image at hand becomes too costly. */
function watch(fileBytes: number, limits: DecodeLimits) {
  const [cpuBefore, memoryBefore] = [process.cpuUsage(), process.memoryUsage.rss()];
  let pixels = 0;
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(cpuBefore);
    const [seconds, mostSeconds] = [(user + system) / 1e6, secondsFor(limits, pixels)];
    const [memory, mostMemory] = [process.memoryUsage.rss() - memoryBefore, memoryFor(limits, pixels, fileBytes)];
    if (seconds > mostSeconds) refuse(`more than the ${mostSeconds} s of a processor that its size allows`);
    else if (memory > mostMemory) refuse(`more than the ${Math.round(mostMemory / 2 ** 20)} MiB that its size allows`);
  }, watchMs);
  const refuse = (what: string) => {
    clearInterval(timer);
    answer({ kind: "failure", error: { code: "BAD_IMAGE", message: `decoding it takes ${what}` }, last: true });
  };
  const tellSize = (count: number) => {
    pixels = count;
  };
  return { tellSize, stop: () => clearInterval(timer) };
}

/** Whether a large image left more memory than a process should keep. */
const isSwollen = () => process.memoryUsage.rss() - idleMemory > keptBytes;

process.on("message", async ({ task, limits }: LimitedTask) => {
  const watched = watch(task.bytes.length, limits);
  try {
    const image = await decodeImage(task, watched.tellSize);
    answer({ kind: "image", image, last: isSwollen() });
  } catch (error) {
    answer({ kind: "failure", error: toWire(error), last: isSwollen() });
  } finally {
    watched.stop();
  }
});
const ready: DecoderMessage = { kind: "ready" };
process.send?.(ready);
