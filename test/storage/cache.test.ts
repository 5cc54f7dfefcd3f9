import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ToolkitError } from "../../src/errors.js";
import { DiskCache } from "../../src/storage/disk/cache.js";
import { projectRoot, temporaryFolder } from "../support/files.js";

const bytesOf = (key: number, byteLength = 1000) => new Uint8Array(byteLength).fill(key);
const get = (cache: DiskCache, key: string) => cache.get(key, (byteLength) => new Uint8Array(byteLength));
const own = (folder: string) => path.join(folder, "dctstream-cache-1");
const entries = (folder: string) =>
  readdirSync(own(folder))
    .filter((name) => name.endsWith(".entry"))
    .sort();
const filesBytes = (folder: string) =>
  readdirSync(own(folder))
    .filter((name) => /entry/.test(name))
    .reduce((sum, name) => sum + statSync(path.join(own(folder), name)).size, 0);

test("what was put is got, by this process and the next; what was not is not there", async (t) => {
  const folder = temporaryFolder(t);
  const cache = await DiskCache.open({ folder, maxBytes: 1 << 20 });
  assert.equal(await get(cache, "a"), undefined);
  await cache.put("a", bytesOf(1));
  await cache.put("b", bytesOf(2, 0));
  assert.deepEqual(await get(cache, "a"), bytesOf(1));
  assert.deepEqual(await get(cache, "b"), bytesOf(2, 0));
  assert.deepEqual(cache.counters, { hits: 2, misses: 1, filled: 2, evicted: 0, damaged: 0 });
  const next = await DiskCache.open({ folder, maxBytes: 1 << 20 });
  assert.deepEqual(await get(next, "a"), bytesOf(1));
});

test("it stays within its bytes, and what was not used for longest goes first", async (t) => {
  const folder = temporaryFolder(t);
  const cache = await DiskCache.open({ folder, maxBytes: 10_500 });
  for (let i = 0; i < 10; i++) {
    await cache.put(`k${i}`, bytesOf(i));
    await sleep(3);
  }
  assert.equal(entries(folder).length, 10);
  for (const key of ["k0", "k2"]) {
    assert.ok(await get(cache, key));
    await sleep(3);
  }
  await cache.put("new", bytesOf(99));
  const left = entries(folder);
  assert.ok(filesBytes(folder) <= 10_500);
  assert.ok(left.includes("k0.entry") && left.includes("k2.entry") && left.includes("new.entry"));
  assert.ok(!left.includes("k1.entry"));
  await cache.put("huge", bytesOf(1, 20_000));
  assert.ok(!entries(folder).includes("huge.entry"), "what can never fit evicts nothing");
  assert.deepEqual(entries(folder), left);
  for (let i = 0; i < 200; i++) {
    await cache.put(`m${i}`, bytesOf(i, 100 + ((i * 37) % 3000)));
    assert.ok(filesBytes(folder) <= 10_500);
  }
  const smaller = await DiskCache.open({ folder, maxBytes: 3000 });
  assert.ok(filesBytes(folder) <= 3000);
  assert.ok(smaller.counters.evicted > 0);
});

test("damage is a miss: a flipped byte, a cut file, an empty one", async (t) => {
  const folder = temporaryFolder(t);
  const cache = await DiskCache.open({ folder, maxBytes: 1 << 20 });
  for (const key of ["flip", "cut", "empty", "good"]) await cache.put(key, bytesOf(7));
  const file = (key: string) => path.join(own(folder), `${key}.entry`);
  const bytes = readFileSync(file("flip"));
  bytes[500] = 8;
  writeFileSync(file("flip"), bytes);
  truncateSync(file("cut"), 900);
  truncateSync(file("empty"), 0);
  for (const key of ["flip", "cut", "empty"]) assert.equal(await get(cache, key), undefined, key);
  assert.deepEqual(entries(folder), ["good.entry"]);
  assert.equal(cache.counters.damaged, 3);
  await cache.put("flip", bytesOf(7));
  assert.deepEqual(await get(cache, "flip"), bytesOf(7), "it can be filled again");
});

test("nothing that is not its own is touched, whatever is in the folder", async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(own(folder));
  const strangers = ["photo.jpg", "x.entry.bak", "ABC.entry", ".hidden.tmp", "sub"];
  for (const name of strangers.slice(0, 4)) writeFileSync(path.join(own(folder), name), bytesOf(1, 5000));
  mkdirSync(path.join(own(folder), "sub"));
  writeFileSync(path.join(folder, "k1.entry"), "mine");
  const cache = await DiskCache.open({ folder, maxBytes: 3000 });
  for (let i = 0; i < 20; i++) await cache.put(`k${i}`, bytesOf(i));
  for (const name of strangers) assert.ok(readdirSync(own(folder)).includes(name), name);
  assert.equal(readFileSync(path.join(folder, "k1.entry"), "utf8"), "mine");
});

test("what a killed process left half-written is counted, then removed; a wrong sum is put right", async (t) => {
  const folder = temporaryFolder(t);
  const cache = await DiskCache.open({ folder, maxBytes: 10_500 });
  const left = path.join(own(folder), ".k1.entry.12345678-1234-1234-1234-123456789abc.tmp");
  writeFileSync(left, bytesOf(0, 6000));
  writeFileSync(path.join(own(folder), "usage"), "999999999");
  await cache.put("a", bytesOf(1));
  await cache.put("b", bytesOf(1, 3000));
  await cache.put("c", bytesOf(1, 3000));
  assert.deepEqual(entries(folder), ["c.entry"], "the other's reservation stands");
  const old = new Date(Date.now() - 3_600_000);
  utimesSync(left, old, old);
  await DiskCache.open({ folder, maxBytes: 10_500 });
  assert.ok(!readdirSync(own(folder)).some((name) => name.endsWith(".tmp")));
});

test("several processes that fill and read it stay within its bytes and never see each other's halves", async (t) => {
  const folder = temporaryFolder(t);
  const maxBytes = 400_000;
  const script = `
    import { DiskCache } from ${JSON.stringify(path.join(projectRoot, "dist", "src", "storage", "disk", "cache.js"))};
    const cache = await DiskCache.open({ folder: ${JSON.stringify(folder)}, maxBytes: ${maxBytes} });
    let seed = Number(process.argv[1]);
    for (let i = 0; i < 300; i++) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      const key = seed % 97;
      const found = await cache.get("k" + key, (n) => new Uint8Array(n));
      if (found !== undefined && (found.length !== 1000 + key * 200 || found.some((b) => b !== key))) process.exit(3);
      if (found === undefined) await cache.put("k" + key, new Uint8Array(1000 + key * 200).fill(key));
    }
    console.log(JSON.stringify(cache.counters));`;
  const children = [1, 2, 3].map((seed) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, String(seed)]);
    let printed = "";
    child.stdout.on("data", (chunk) => (printed += chunk));
    return new Promise<{ code: number | null; printed: string }>((resolve) =>
      child.on("close", (code) => resolve({ code, printed })),
    );
  });
  let most = 0;
  let running = true;
  const watching = (async () => {
    while (running) {
      try {
        most = Math.max(most, filesBytes(folder));
      } catch {
        // a file went between its listing and its look
      }
      await sleep(2);
    }
  })();
  const results = await Promise.all(children);
  running = false;
  await watching;
  for (const { code, printed } of results) {
    assert.equal(code, 0);
    const { hits, filled, damaged } = JSON.parse(printed);
    assert.ok(hits > 0 && filled > 0 && damaged === 0, printed);
  }
  assert.ok(most > maxBytes / 2 && most <= maxBytes, `${most} bytes at most`);
});

test("a folder that cannot be written is told of, once, and ends nothing", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "file"), "");
  const told: ToolkitError[] = [];
  const cache = await DiskCache.open({ folder: path.join(folder, "file"), maxBytes: 1000 }, (problem) =>
    told.push(problem),
  );
  await cache.put("a", bytesOf(1));
  assert.equal(await get(cache, "a"), undefined);
  assert.deepEqual(
    told.map(({ code }) => code),
    ["OUTPUT_NOT_WRITABLE"],
  );
  assert.match(told[0]?.message ?? "", /the cache cannot keep anything: .*ENOTDIR/);
});

test("what is in a cache is used although nothing can be added to it", async (t) => {
  const folder = temporaryFolder(t);
  const filled = await DiskCache.open({ folder, maxBytes: 1 << 20 });
  await filled.put("a", bytesOf(1));
  rmSync(path.join(own(folder), "lock"));
  mkdirSync(path.join(own(folder), "lock"));
  const told: ToolkitError[] = [];
  const cache = await DiskCache.open({ folder, maxBytes: 1 << 20 }, (problem) => told.push(problem));
  assert.deepEqual(await get(cache, "a"), bytesOf(1));
  await cache.put("b", bytesOf(2));
  assert.equal(await get(cache, "b"), undefined);
  assert.equal(told.length, 1);
});
