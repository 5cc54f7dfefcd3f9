import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { randomFor } from "../../src/shards/random.js";
import { countersSince, type RetryCause, storageCounters } from "../../src/storage/counters.js";
import type { TimeoutOptions } from "../../src/storage/remote/exchange.js";
import type { S3Options } from "../../src/storage/s3/client.js";
import { S3Store } from "../../src/storage/s3/store.js";
import { rejectsWith } from "../support/errors.js";
import type { Fault, FaultProxy } from "../support/fault-proxy.js";
import { logIn, S3Server } from "../support/s3-server.js";
import { until } from "../support/until.js";

const size = 20 << 20;
const url = "s3://bucket/object";

let server: S3Server;
let proxy: FaultProxy;
let content: Buffer;
let store: S3Store;

before(async () => {
  logIn();
  server = await S3Server.start();
  proxy = await server.proxy();
  await server.bucket("bucket");
  const random = randomFor(1, "content");
  content = Buffer.from(Uint32Array.from({ length: size / 4 }, () => random.next() * 2 ** 32).buffer);
  await server.put("bucket", "object", content);
  store = new S3Store(options());
});

afterEach(() => {
  proxy.decide = () => undefined;
  proxy.seen.length = 0;
});

after(async () => {
  await store.close();
  await proxy.stop();
  await server.stop();
});

/** Patient enough for any machine: a limit that is to be reached is set where it is. */
function options(more: Partial<S3Options> = {}): S3Options {
  const timeouts = { connectMs: 120_000, firstByteMs: 120_000, stallMs: 120_000 };
  return { ...server.options(proxy.endpoint), timeouts, ...more };
}

const isGet = ({ method, path }: { method: string; path: string }) =>
  method === "GET" && path.startsWith("/bucket/object");

/** The fault on the first GETs of the object, one each. */
function onFirstGets(...faults: readonly Fault[]): void {
  const left = [...faults];
  proxy.decide = (request) => (isGet(request) ? left.shift() : undefined);
}

async function readAll(from = store): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of from.stream(url)) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}

async function retriesOf(work: () => Promise<unknown>): Promise<Partial<Record<RetryCause, number>>> {
  const before = storageCounters();
  await work();
  return countersSince(before).retriesByCause;
}

const slowDown: Fault = { kind: "status", status: 503, code: "SlowDown" };

const faults: readonly (readonly [
  name: string,
  faults: readonly Fault[],
  causes: Partial<Record<RetryCause, number>>,
])[] = [
  ["a reset in the middle of a body", [{ kind: "reset", afterBytes: 100_000 }], { reset: 1 }],
  ["a reset before the first byte of a body", [{ kind: "reset", afterBytes: 0 }], { reset: 1 }],
  ["a connection closed too early", [{ kind: "short", afterBytes: 5000 }], { reset: 1 }],
  ["a burst of 503", [slowDown, slowDown, slowDown], { throttled: 3 }],
  ["a 500", [{ kind: "status", status: 500, code: "InternalError" }], { "server-error": 1 }],
  ["a range that is ignored", [{ kind: "ignore-range" }], {}],
  ["expired credentials", [{ kind: "status", status: 403, code: "ExpiredToken" }], { credentials: 1 }],
];

for (const [name, made, causes] of faults) {
  test(`${name}: the bytes are right, and the retries are counted`, async () => {
    await store.stat(url);
    for (const range of [
      { start: 0, end: 300_000 },
      { start: 1_000_000, end: size },
    ]) {
      onFirstGets(...made);
      const read = async () => assert.ok(content.subarray(range.start, range.end).equals(await store.read(url, range)));
      assert.deepEqual(await retriesOf(read), causes);
    }
    onFirstGets(...made);
    assert.deepEqual(await retriesOf(async () => assert.ok(content.equals(await readAll()))), causes);
  });
}

const silences: readonly (readonly [name: string, afterBytes: number, timeouts: TimeoutOptions, cause: RetryCause])[] =
  [
    ["an answer that stops", 70_000, { stallMs: 700 }, "stall"],
    ["an answer that never starts", 0, { firstByteMs: 700 }, "first-byte"],
  ];

for (const [name, afterBytes, short, cause] of silences) {
  test(`${name}: the bytes are right, and the retries are counted`, async () => {
    const impatient = new S3Store(options({ timeouts: { ...options().timeouts, ...short } }));
    await impatient.stat(url);
    for (const read of [
      () => impatient.read(url, { start: 0, end: 300_000 }),
      () => impatient.read(url, { start: 0, end: size }),
      () => readAll(impatient),
    ]) {
      onFirstGets({ kind: "stall", afterBytes });
      const causes = await retriesOf(async () => {
        const bytes = await read();
        assert.ok(content.subarray(0, bytes.length).equals(bytes));
      });
      // A machine that is busy enough can be silent for as long without any fault of the service.
      assert.deepEqual(Object.keys(causes), [cause]);
      assert.ok((causes[cause] ?? 0) >= 1);
    }
    await impatient.close();
  });
}

test("a broken answer goes on at its byte, on the same version, and nothing is asked for twice", async () => {
  await store.stat(url);
  onFirstGets({ kind: "reset", afterBytes: 200_000 }, { kind: "short", afterBytes: 50_000 });
  await store.read(url, { start: 1000, end: 8_000_000 });
  const ranges = proxy.seen.filter(isGet).map(({ range }) => range ?? "");
  const starts = ranges.map((range) => Number(/^bytes=(\d+)-7999999$/.exec(range)?.[1]));
  assert.equal(starts.length, 3);
  assert.equal(starts[0], 1000);
  // What a reset destroys of the bytes on the way is not ours to count, but nothing that came is lost.
  assert.ok((starts[1] as number) > 1000 && (starts[1] as number) <= 201_000, ranges.join());
  assert.equal(starts[2], (starts[1] as number) + 50_000);
});

test("a consumer that pauses is no stall and holds no connection", async () => {
  const impatient = new S3Store(options({ timeouts: { ...options().timeouts, stallMs: 700 } }));
  const before = storageCounters();
  const chunks: Uint8Array[] = [];
  for await (const chunk of impatient.stream(url)) {
    chunks.push(Uint8Array.from(chunk));
    if (chunks.length > 1) continue;
    // All parts are read ahead; what is slow on the way there is not the consumer's pause.
    await until("all parts have been read", () => countersSince(before).bytesRead >= size);
    const paused = storageCounters();
    await sleep(2000); // nearly three times the stall limit
    assert.equal(countersSince(paused).retries, 0);
  }
  assert.ok(content.equals(Buffer.concat(chunks)));
  await impatient.close();
});

test("an object replaced while it is read is an error that says so", async () => {
  const name = "s3://bucket/replaced";
  // Parts that are under way already are of the old version, and all right.
  const oneByOne = new S3Store(options({ maxRequests: 1 }));
  await server.put("bucket", "replaced", content);
  await oneByOne.stat(name);
  const replace = () => server.put("bucket", "replaced", content.subarray(1));
  const left: Fault[] = [{ kind: "call", afterBytes: 1000, call: replace }];
  proxy.decide = ({ method }) => (method === "GET" ? left.shift() : undefined);
  await rejectsWith(
    "OBJECT_CHANGED",
    async () => {
      for await (const _ of oneByOne.stream(name));
    },
    /replaced while it was being read.*s3:\/\/bucket\/replaced/,
  );
  await rejectsWith("OBJECT_CHANGED", () => oneByOne.read(name, { start: 0, end: 10 }));
  await oneByOne.stat(name); // whoever looks again reads what is there now
  assert.ok(content.subarray(1, 11).equals(await oneByOne.read(name, { start: 0, end: 10 })));
  await oneByOne.close();
});

test("a server that is restarted in the middle costs retries only", async () => {
  // However long it takes to start.
  const retry = { baseDelayMs: 5, maxDelayMs: 100, maxAttempts: 10_000, budget: 10_000 };
  const patient = new S3Store(options({ retry }));
  await patient.stat(url);
  let restarted: Promise<void> | undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of patient.stream(url)) {
    chunks.push(Uint8Array.from(chunk));
    restarted ??= server.killGateway().then(() => server.startGateway());
  }
  await restarted;
  assert.ok(content.equals(Buffer.concat(chunks)));
  await patient.close();
  const direct = new S3Store({ ...server.options(), retry });
  await direct.stat(url);
  await server.killGateway();
  const again = sleep(100).then(() => server.startGateway());
  assert.ok(content.equals(await direct.read(url, { start: 0, end: size })));
  await again;
  await direct.close();
});

test("after the last attempt the error says what happened, how often and where; the budget of a store ends too", async () => {
  const impatient = new S3Store(options({ retry: { baseDelayMs: 1, maxDelayMs: 2, maxAttempts: 3 } }));
  await impatient.stat(url);
  proxy.decide = (request) => (isGet(request) ? { kind: "status", status: 500, code: "InternalError" } : undefined);
  await rejectsWith(
    "IO_ERROR",
    () => impatient.read(url, { start: 0, end: 10 }),
    /cannot read it: the service failed \(InternalError 500\) \(tried 3 times\) \(s3:\/\/bucket\/object\)/,
  );
  await impatient.close();
  const poor = new S3Store(options({ retry: { baseDelayMs: 1, maxDelayMs: 2, maxAttempts: 100, budget: 5 } }));
  await rejectsWith("IO_ERROR", () => poor.read(url, { start: 0, end: 10 }), /budget of 5 retries is spent/);
  await poor.close();
});

test("a Retry-After is waited for", async () => {
  onFirstGets({ kind: "status", status: 503, code: "SlowDown", headers: { "retry-after": "1" } });
  const began = performance.now();
  await store.read(url, { start: 0, end: 10 });
  assert.ok(performance.now() - began >= 990);
});

test("an aborted read stops at once, with the reason, and leaves no request", async () => {
  await store.stat(url);
  for (const fault of [{ kind: "stall", afterBytes: 0 }, { kind: "stall", afterBytes: 9000 }, slowDown] as const) {
    const patient = new S3Store(
      options({ timeouts: { firstByteMs: 60_000, stallMs: 60_000 }, retry: { baseDelayMs: 60_000 } }),
    );
    proxy.decide = (request) => (isGet(request) ? fault : undefined);
    const controller = new AbortController();
    const reading = patient.read(url, { start: 0, end: size }, undefined, controller.signal);
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await assert.rejects(reading, /enough/);
    await patient.close();
  }
});

test("writes whose answers are lost, refused or damaged on the way end with the object that was written", async () => {
  const parts: readonly Fault[] = [
    { kind: "lost-answer" },
    { kind: "status", status: 503, code: "SlowDown" },
    { kind: "reset", afterBytes: 0 },
  ];
  for (const bytes of [content.subarray(0, 1000), content]) {
    const random = randomFor(bytes.length, "faults");
    let left = 8;
    proxy.decide = ({ method }) => {
      if (method === "GET" || left === 0) return undefined;
      left--;
      if (method === "PUT" && left % 5 === 0) return { kind: "status", status: 400, code: "XAmzContentSHA256Mismatch" };
      return parts[random.below(parts.length)];
    };
    const before = storageCounters();
    const writer = await store.create("s3://bucket/written");
    await writer.write(bytes);
    const info = await writer.commit();
    assert.equal(info.byteLength, bytes.length);
    assert.equal(countersSince(before).retries, 8);
    assert.ok(bytes.equals(Buffer.from(await server.get("bucket", "written"))));
  }
  proxy.decide = () => undefined;
  await store.sweep("s3://bucket", () => true); // a lost answer to "begin an upload" leaves one that nobody knows of
  assert.deepEqual(await server.openUploads("bucket"), []);
});

test("an answer that is another than was asked for is not believed", async () => {
  await store.stat(url);
  const made = [
    { status: 206, "content-range": "bytes 5-14/20971520", "content-length": "10" },
    { status: 206, "content-length": "10" },
    { status: 204 },
  ];
  for (const { status, ...headers } of made) {
    const left: Fault[] = [{ kind: "status", status, code: "", headers: headers as Record<string, string> }];
    proxy.decide = (request) => (isGet(request) ? left.shift() : undefined);
    const causes = await retriesOf(async () =>
      assert.ok(content.subarray(0, 10).equals(await store.read(url, { start: 0, end: 10 }))),
    );
    assert.deepEqual(causes, { "bad-answer": 1 });
  }
});
