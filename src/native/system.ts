// What the addon knows of the machine and of the process.
import { closeSync, openSync } from "node:fs";
import { addon } from "./addon.js";
import type { SimdLevel } from "./shapes.js";

/** The instructions in use: the processor's best, or less when DCTSTREAM_SIMD asks for it. */
export const simdLevel: SimdLevel = addon.simd;
export const bestSimdLevel: SimdLevel = addon.bestSimd;

/** Copies `from` to the start of `to`: several times faster than `set` where memory is shared between threads. */
export function copyBytes(to: Uint8Array, from: Uint8Array): void {
  addon.copyBytes(to.length === from.length ? to : to.subarray(0, from.length), from);
}

/**
 * Locks a file or folder until the returned file descriptor is closed or the process ends. Undefined: another process
 * holds it. Throws IO_ERROR, and the system's error when it cannot be opened.
 */
export function lockPath(path: string): number | undefined {
  const descriptor = openSync(path, "r");
  let taken = false;
  try {
    taken = addon.lockFile(descriptor);
  } finally {
    if (!taken) closeSync(descriptor);
  }
  return taken ? descriptor : undefined;
}

/**
 * Ends the process with `status` when it has not ended by itself `graceMs` after SIGINT or SIGTERM, or when another of
 * them comes, whatever its threads do; held temporary files are removed first. To be called after the process has its
 * own handlers of these signals. False where the system has no room for it.
 */
export function watchInterrupts(graceMs: number, status: number): boolean {
  return addon.watchInterrupts(graceMs, status);
}

/** Another grace, counted from now on. */
export function setInterruptGrace(graceMs: number): void {
  addon.setGrace(graceMs);
}

export function unwatchInterrupts(): void {
  addon.unwatchInterrupts();
}

/**
 * Ends the process with `status` after so long, if it is still there: threads that are in native code keep it from
 * ending by itself.
 */
export function exitWithin(ms: number, status: number): boolean {
  return addon.exitWithin(ms, status);
}

/** Has a file removed if the process is ended by one of the above before it is released. */
export function holdTemporary(path: string): void {
  addon.holdTemporary(path);
}

export function releaseTemporary(path: string): void {
  addon.releaseTemporary(path);
}

/** Milliseconds that this thread has had a core, so far. */
export function threadCpuMs(): number {
  return addon.threadCpuMs();
}

/** Files that the process may have open at a time. */
export function openFileLimit(): number {
  return addon.openFileLimit();
}

/** How many bytes a buffer begins behind a multiple of `alignment`: JavaScript engines align to 16 at most. */
export function misalignment(buffer: ArrayBufferLike, alignment: number): number {
  return addon.misalignment(new Uint8Array(buffer, 0, 1), alignment);
}

/** CRC-32C (Castagnoli), unsigned; `before` is that of the bytes in front of these. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  return addon.crc32c(bytes, before);
}
