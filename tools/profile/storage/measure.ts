// dctstream profile storage: what a disk or a service gives, by how much is read at once and in what pieces.
import { setMaxListeners } from "node:events";
import { ToolkitError } from "../../../src/errors.js";
import { epochMs, type Recorder } from "../../../src/pipeline/stage-clock.js";
import { publicUrl } from "../../../src/public-url.js";
import { at } from "../../../src/storage/at.js";
import { countersSince, storageCounters } from "../../../src/storage/counters.js";
import type { ObjectInfo } from "../../../src/storage/object-store.js";
import { isRemote } from "../../../src/storage/url.js";
import { formatBytes } from "../../options/quantity.js";
import { coresOf, startMeasuring } from "../measure.js";
import { medianOf, quantilesOf } from "../quantile.js";
import type { Cores } from "../stage.js";
import { percent } from "../verdict.js";

/** Range reads of one size, so many at a time. */
export interface ReadPattern {
  readonly readBytes: number;
  readonly atOnce: number;
  readonly reads: number;
  readonly bytesPerSecond: number;
  /** Milliseconds of a read, from asking to its last byte. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

export interface StorageProfile {
  readonly what: "storage";
  readonly url: string;
  readonly objects: number;
  readonly bytes: number;
  readonly listMs: number;
  readonly patterns: readonly ReadPattern[];
  /** Milliseconds before a lone read's first byte, as near as a read of one byte shows. */
  readonly latencyMs: number;
  readonly bottleneck: "latency" | "bandwidth" | "cores";
  readonly bytesPerSecond: number;
  readonly requests: number;
  readonly retries: number;
  readonly cores: Cores;
  readonly seconds: number;
  readonly verdict: string;
}

const sizes = [64 << 10, 1 << 20, 8 << 20] as const;
const widths = [1, 8, 64] as const;
/** A read gets at least so long, and so many times what one takes that reads a single byte. */
const leastMs = 1000;
const leastLatencies = 20;

/** Measures range reads. Throws NOT_FOUND where there is nothing to read. */
export async function profileStorage(
  url: string,
  seconds: number,
  recorder: Recorder,
  signal: AbortSignal,
): Promise<StorageProfile> {
  const before = storageCounters();
  const began = performance.now();
  const objects = await objectsAt(url, signal);
  const listMs = performance.now() - began;
  const stop = startMeasuring(() => ({ elapsedMs: performance.now(), stages: {} }));
  const latencyMs = await loneLatency(objects, signal);
  const each = seconds / (sizes.length * widths.length);
  const patterns: ReadPattern[] = [];
  for (const readBytes of sizes)
    for (const atOnce of widths) {
      const lateMs = Math.max(leastMs, leastLatencies * latencyMs, 2000 * each);
      const pattern = await read(objects, { readBytes, atOnce, seconds: each, lateMs, recorder, signal });
      if (pattern !== undefined) patterns.push(pattern);
    }
  if (patterns.length === 0) throw new ToolkitError("IO_ERROR", "no read came to its end in time", { source: url });
  const best = patterns.reduce((most, pattern) => (pattern.bytesPerSecond > most.bytesPerSecond ? pattern : most));
  const cores = coresOf(stop(), 0);
  const lone = patterns.find(({ readBytes, atOnce }) => readBytes === best.readBytes && atOnce === 1) ?? best;
  const waiting = Math.min(1, latencyMs / lone.p50);
  // Where many at a time bring little more than one, latency is not what is waited for.
  const latent = waiting > 0.5 && best.bytesPerSecond > 2 * lone.bytesPerSecond;
  const bottleneck = cores.own > 0.9 ? "cores" : latent ? "latency" : "bandwidth";
  const { requests, retries } = countersSince(before);
  return {
    what: "storage",
    url: publicUrl(url),
    objects: objects.length,
    bytes: objects.reduce((sum, { byteLength }) => sum + byteLength, 0),
    listMs,
    patterns,
    latencyMs,
    bottleneck,
    bytesPerSecond: best.bytesPerSecond,
    requests,
    retries,
    cores,
    seconds: (performance.now() - began) / 1000,
    verdict: verdictOf({ best, lone, latencyMs, waiting, bottleneck, remote: isRemote(url) }),
  };
}

interface Found {
  readonly best: ReadPattern;
  readonly lone: ReadPattern;
  readonly latencyMs: number;
  readonly waiting: number;
  readonly bottleneck: StorageProfile["bottleneck"];
  readonly remote: boolean;
}

function verdictOf({ best, lone, latencyMs, waiting, bottleneck, remote }: Found): string {
  const speed = (bytes: number) => `${formatBytes(Math.round(bytes))}/s`;
  const told = {
    cores: "the cores have no time left",
    latency: `a lone read of ${formatBytes(lone.readBytes)} waits ${percent(waiting)} of its ${lone.p50.toFixed(1)} ms for its first byte, so read many at once`,
    bandwidth: `a lone read of ${formatBytes(lone.readBytes)} gets ${speed(lone.bytesPerSecond)}`,
  }[bottleneck];
  const name = { cores: "processor", latency: "latency", bandwidth: "bandwidth" }[bottleneck];
  return `${name} bound: ${speed(best.bytesPerSecond)} at most, with ${best.atOnce} reads of ${formatBytes(best.readBytes)} at a time; ${told}; ${remote ? "a request takes" : "opening a file takes"} ${latencyMs.toFixed(1)} ms at least`;
}

async function objectsAt(url: string, signal: AbortSignal): Promise<ObjectInfo[]> {
  const place = at(url);
  const info = await place.stat(signal);
  const found = info?.kind === "folder" ? await place.list({ signal }) : info === undefined ? [] : [info];
  const objects = found.filter(({ kind, byteLength }) => kind === "object" && byteLength > 0);
  if (objects.length === 0) throw new ToolkitError("NOT_FOUND", "nothing to read there", { source: url });
  return objects;
}

async function loneLatency(objects: readonly ObjectInfo[], signal: AbortSignal): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    const { url, byteLength } = objects[i % objects.length] as ObjectInfo;
    const start = Math.floor((byteLength - 1) * Math.random());
    const began = performance.now();
    await at(url).read({ start, end: start + 1 }, undefined, signal);
    times.push(performance.now() - began);
  }
  return medianOf(times);
}

interface Pattern {
  readonly readBytes: number;
  readonly atOnce: number;
  readonly seconds: number;
  /** When what has not come yet is left out. */
  readonly lateMs: number;
  readonly recorder: Recorder;
  readonly signal: AbortSignal;
}

/**
 * Reads at random offsets, as neighbours would be put into one request. Undefined where not one came to its end in
 * time.
 */
async function read(objects: readonly ObjectInfo[], pattern: Pattern): Promise<ReadPattern | undefined> {
  const { readBytes, atOnce, seconds, lateMs, recorder, signal } = pattern;
  const times: number[] = [];
  let bytes = 0;
  const began = performance.now();
  const late = AbortSignal.timeout(Math.ceil(lateMs));
  const both = AbortSignal.any([late, signal]);
  setMaxListeners(0, both); // every read listens to it
  const lane = async () => {
    const target = new Uint8Array(readBytes);
    while (times.length < atOnce || performance.now() - began < 1000 * seconds) {
      const { url, byteLength } = objects[Math.floor(objects.length * Math.random())] as ObjectInfo;
      const length = Math.min(readBytes, byteLength);
      const start = Math.floor((byteLength - length) * Math.random());
      const asked = epochMs();
      await at(url).read({ start, end: start + length }, target.subarray(0, length), both);
      const ended = epochMs();
      recorder.span("storage", formatBytes(readBytes), undefined, asked, ended);
      times.push(ended - asked);
      bytes += length;
      both.throwIfAborted();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane)).catch((error) => {
    signal.throwIfAborted();
    if (!late.aborted) throw error;
  });
  if (times.length === 0) return undefined;
  const elapsed = performance.now() - began;
  const quantile = quantilesOf(times);
  const bytesPerSecond = (1000 * bytes) / elapsed;
  return {
    readBytes,
    atOnce,
    reads: times.length,
    bytesPerSecond,
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
  };
}
