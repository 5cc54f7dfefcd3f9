// Reading from object storage: shards through src/storage, with checksums, against plain parallel range GETs of a bare
// HTTP client from the same server; and what 50 ms before every first byte costs when every connection carries 200 MB/s
// at most.
//
//   node dist/bench/storage.js [tars..]
//
// Starts its own S3 service (Ceph's gateway with its store in memory). The client shares the machine's cores with it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Agent } from "undici";
import { crc32c } from "../src/native/index.js";
import { Loader } from "../src/pipeline/load/loader.js";
import type { LoaderCacheOptions } from "../src/pipeline/load/options.js";
import { SpanReader } from "../src/pipeline/load/span-reader.js";
import { preprocess } from "../src/pipeline/preprocess/preprocess.js";
import { SharedBuffers } from "../src/pipeline/shared-buffers.js";
import { TarWriter } from "../src/pipeline/tar-writer.js";
import { openDataset } from "../src/shards/dataset.js";
import { type LoadedManifest, readManifest } from "../src/shards/manifest.js";
import { planEpoch } from "../src/shards/plan.js";
import { at, writableAt } from "../src/storage/at.js";
import { closeStorage, configureStorage } from "../src/storage/store.js";
import { joinUrl } from "../src/storage/url.js";
import { logIn, S3Server } from "../test/support/s3-server.js";
import { benchImages, printMachine } from "./images.js";
import { usually } from "./settings.js";

const tars = process.argv.slice(2);
const rounds = usually(7, 1);
const sourceBytes = usually(740e6, 4e6);
const partBytes = 8 << 20;
const buffers = new SharedBuffers();

printMachine();
logIn();
const server = await S3Server.start();
try {
  await server.bucket("bench");
  const manifest = await makeShards();
  const total = manifest.shards.reduce((sum, { byteLength }) => sum + byteLength, 0);
  console.log(`${manifest.shards.length} shards, ${(total / 1e6).toFixed(0)} MB`);
  await compareWithPlain(manifest, total);
  await delayed(manifest, total);
  await writing(total);
  await cached(manifest);
} finally {
  await closeStorage();
  await server.stop();
}

/** The tars' images, repeated to three shards of the usual size. */
async function makeShards(): Promise<LoadedManifest> {
  configureStorage({ s3: { endpoint: server.endpoint } });
  const images = await benchImages(tars);
  const tar = await TarWriter.open("s3://bench/in.tar");
  for (let bytes = 0, i = 0; bytes < sourceBytes; i++) {
    const image = images[i % images.length] as Uint8Array;
    await tar.entry(`${i}.jpg`, image);
    await tar.entry(`${i}.cls`, String(i % 10));
    bytes += image.length;
  }
  await tar.commit();
  const { manifest } = await preprocess({ sources: ["s3://bench/in.tar"], out: "s3://bench/shards" });
  await writableAt("s3://bench/in.tar").remove();
  return readManifest(manifest);
}

/**
 * MB/s of each work, the median of rounds in which all take turns: the machine is not the same from minute to minute.
 */
async function speedsOf(total: number, works: readonly (() => Promise<unknown>)[]): Promise<number[]> {
  const speeds = works.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, work] of works.entries()) {
      const started = performance.now();
      await work();
      speeds[i]?.push(total / (performance.now() - started) / 1000);
    }
  }
  return speeds.map((each) => each.sort((x, y) => x - y)[rounds >> 1] as number);
}

async function compareWithPlain(manifest: LoadedManifest, total: number): Promise<void> {
  await server.publish("bench"); // so that the bare client need not sign
  const concurrencies = [4, 8, 16, 32];
  const [streamed = 0, read = 0, ...plain] = await speedsOf(total, [
    () => streams(manifest),
    () => epoch(manifest),
    ...concurrencies.map((concurrency) => () => plainGets(manifest, concurrency)),
  ]);
  for (const [i, speed] of plain.entries())
    console.log(`  undici, ${String(concurrencies[i]).padStart(2)} range GETs of 8 MiB: ${speed.toFixed(0)} MB/s`);
  const report = (what: string, speed: number) =>
    console.log(`  ${what}: ${speed.toFixed(0)} MB/s, ${(speed / Math.max(...plain)).toFixed(2)} x the best of them`);
  report("streams, with CRC-32C of every chunk", streamed);
  report("an epoch's spans, checked", read);
}

async function plainGets(manifest: LoadedManifest, concurrency: number): Promise<void> {
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const parts = manifest.shards.flatMap(({ name, byteLength }) =>
    Array.from({ length: Math.ceil(byteLength / partBytes) }, (_, i) => ({ name, start: i * partBytes })),
  );
  const work = async () => {
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const { body } = await agent.request({
        origin: server.endpoint,
        path: `/bench/shards/${part.name}`,
        method: "GET",
        headers: { range: `bytes=${part.start}-${part.start + partBytes - 1}` },
      });
      for await (const _ of body);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  await agent.close();
}

async function streams(manifest: LoadedManifest): Promise<void> {
  for (const { name } of manifest.shards) {
    const url = joinUrl(manifest.folder, name);
    for await (const chunk of at(url).stream({ reuseChunks: true })) crc32c(chunk);
  }
}

/** What the loader reads, without the views. */
async function epoch(manifest: LoadedManifest): Promise<void> {
  const reader = new SpanReader({
    datasets: [await openDataset(manifest)],
    plan: planEpoch(manifest, 1, 0),
    shape: { globalBatch: 64, rank: 0, worldSize: 1, dropLast: false },
    fromStep: 0,
    prefetchBytes: 1 << 30,
    buffers,
    cache: undefined,
    expand: undefined,
    keepDamaged: false,
    signal: new AbortController().signal,
  });
  for await (const batch of reader.read()) batch.release();
}

/** Both through a proxy in a process of its own, which delays or does not. */
async function delayed(manifest: LoadedManifest, total: number): Promise<void> {
  const speeds: number[] = [];
  for (const delayMs of [0, 50]) {
    const file = path.join(path.dirname(fileURLToPath(import.meta.url)), "slow-proxy.js");
    const proxy = spawn(process.execPath, [file, server.endpoint, String(delayMs), "200e6"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const endpoint = await new Promise<string>((resolve) =>
      proxy.stdout.once("data", (line) => resolve(String(line).trim())),
    );
    configureStorage({ s3: { endpoint } });
    const [speed = 0] = await speedsOf(total, [() => epoch(manifest)]);
    speeds.push(speed);
    console.log(
      `  an epoch through a proxy, 200 MB/s a connection, ${delayMs} ms before the first byte: ${speed.toFixed(0)} MB/s`,
    );
    await closeStorage();
    proxy.kill();
  }
  console.log(`  ${((speeds[1] as number) / (speeds[0] as number)).toFixed(2)} x of the speed is left`);
  configureStorage({ s3: { endpoint: server.endpoint } });
}

async function writing(total: number): Promise<void> {
  const chunk = new Uint8Array(1 << 20).map((_, i) => (i * 2654435761) >>> 13);
  const byteLength = Math.min(total, 256 << 20);
  const upload = async () => {
    const writer = await writableAt("s3://bench/written").create();
    for (let written = 0; written < byteLength; written += chunk.length) await writer.write(chunk);
    await writer.commit();
    await writableAt("s3://bench/written").remove();
  };
  const [speed = 0] = await speedsOf(byteLength, [upload]);
  console.log(`  multipart upload: ${speed.toFixed(0)} MB/s`);
}

/** Views per second from the service, and from each form of the cache. */
async function cached(manifest: LoadedManifest): Promise<void> {
  const [shard] = manifest.shards;
  if (shard === undefined) return;
  const one = { ...manifest };
  for (const form of ["none", "stored", "expanded"] as const) {
    const folder = mkdtempSync(path.join(tmpdir(), "dctstream-bench-"));
    const cache: LoaderCacheOptions | undefined =
      form === "none" ? undefined : { folder, maxBytes: 2 ** 33, expanded: form === "expanded" };
    const loader = await Loader.open(one, {
      view: { kind: "dct", size: 224, augment: "train" },
      batchSize: Math.min(64, one.samples),
      workers: 1,
      cache,
    });
    const seconds: number[] = [];
    for (let number = 0; number < usually(6, 2); number++) {
      const started = performance.now();
      for await (const batch of loader.epoch(number)) batch.release();
      seconds.push((performance.now() - started) / 1000);
    }
    const speed = (loader.steps * loader.batchSize) / Math.min(...seconds.slice(1));
    console.log(`  views to DCT, 1 worker, cache ${form}: ${speed.toFixed(0)} images/s`);
    await loader.close();
    rmSync(folder, { recursive: true });
  }
}
