import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { randomFor } from "../../src/shards/random.js";
import { writableAt } from "../../src/storage/at.js";
import { countersSince, storageCounters } from "../../src/storage/counters.js";
import { expandPatterns } from "../../src/storage/expand.js";
import { HttpStore } from "../../src/storage/http/store.js";
import type { TimeoutOptions } from "../../src/storage/remote/exchange.js";
import { configureStorage } from "../../src/storage/store.js";
import { baseName } from "../../src/storage/url.js";
import { cert, key } from "../support/certificate.js";
import { rejectsWith } from "../support/errors.js";
import { projectRoot, temporaryFolder } from "../support/files.js";

const random = randomFor(1, "http");
const content = Buffer.from(Uint32Array.from({ length: 3_000_000 }, () => random.next() * 2 ** 32).buffer);

type Handle = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(t: TestContext, handle: Handle): Promise<string> {
  const server = createServer((request, response) => {
    response.on("error", () => {});
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function storeFor(t: TestContext, timeouts: TimeoutOptions = {}): HttpStore {
  const store = new HttpStore({
    retry: { baseDelayMs: 1, maxDelayMs: 10, maxAttempts: 5 },
    timeouts: { connectMs: 120_000, firstByteMs: 120_000, stallMs: 120_000, ...timeouts },
  });
  t.after(() => store.close());
  return store;
}

/** As web servers do it. */
const withRanges: Handle = ({ headers }, response) => {
  const [, from = "", to = ""] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  const start = Number(from);
  const end = Math.min(Number(to) + 1, content.length);
  const head = {
    "content-length": end - start,
    "content-range": `bytes ${start}-${end - 1}/${content.length}`,
    etag: '"v1"',
  };
  response.writeHead(206, head).end(content.subarray(start, end));
};

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  for await (const chunk of chunks) kept.push(Uint8Array.from(chunk));
  return Buffer.concat(kept);
}

test("an object of a web server is read whole, from anywhere and by ranges", async (t) => {
  const url = `${await serve(t, withRanges)}/some/object.tar?version=3`;
  const store = storeFor(t);
  assert.equal((await store.stat(url))?.byteLength, content.length);
  assert.ok(content.equals(await readAll(store.stream(url))));
  assert.ok(content.subarray(77).equals(await readAll(store.stream(url, { start: 77 }))));
  assert.ok(content.subarray(5, 10_000_000).equals(Buffer.from(await store.read(url, { start: 5, end: 10_000_000 }))));
});

test("a server without ranges is read in one piece, at the consumer's pace; what breaks is read up to again", async (t) => {
  let answers = 0;
  const url = await serve(t, (_, response) => {
    answers++;
    response.writeHead(200, { "content-length": content.length, "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT" });
    if (answers !== 2) response.end(content);
    else response.write(content.subarray(0, 5_000_000), () => response.destroy());
  });
  const store = storeFor(t, { stallMs: 1000 });
  const before = storageCounters();
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.stream(url)) {
    if (chunks.length === 1) await sleep(2500);
    chunks.push(Uint8Array.from(chunk));
  }
  assert.ok(content.equals(Buffer.concat(chunks)));
  assert.equal(answers, 3);
  assert.equal(countersSince(before).retries, 1);
  assert.ok(
    content
      .subarray(9_000_000, 9_000_100)
      .equals(Buffer.from(await store.read(url, { start: 9_000_000, end: 9_000_100 }))),
  );
});

test("a thread that computes for longer than the limits does not take a server for silent", async (t) => {
  const source = `
    const { parentPort } = require("node:worker_threads");
    const server = require("node:http").createServer((request, response) => setTimeout(() => {
      const [start, end] = /(\\d+)-(\\d+)/.exec(request.headers.range).slice(1).map(Number);
      response.writeHead(206, { "content-length": end + 1 - start, "content-range": "bytes " + start + "-" + end + "/1000000", etag: '"1"' });
      response.write(Buffer.alloc(10));
      setTimeout(() => response.end(Buffer.alloc(end + 1 - start - 10)), 100);
    }, 100));
    server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(source, { eval: true });
  t.after(() => worker.terminate());
  const [port] = (await once(worker, "message")) as [number];
  const store = storeFor(t, { connectMs: 500, firstByteMs: 500, stallMs: 500 });
  const before = storageCounters();
  const reading = store.read(`http://127.0.0.1:${port}/x`, { start: 0, end: 1_000_000 });
  // As a step of a network computes on this thread: at connecting, at the head, in the body.
  for (let step = 0; step < 4; step++) {
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
  }
  assert.equal((await reading).length, 1_000_000);
  assert.equal(countersSince(before).retries, 0);
});

test("answers in chunks of unknown length are read too, where the length is known from elsewhere", async (t) => {
  let first = true;
  const url = await serve(t, (request, response) => {
    if (first) withRanges(request, response);
    else {
      response.writeHead(200, { etag: '"v1"' });
      for (let at = 0; at < content.length; at += 1_000_001) response.write(content.subarray(at, at + 1_000_001));
      response.end();
    }
    first = false;
  });
  const store = storeFor(t);
  await store.stat(url);
  assert.ok(
    content.subarray(100, 2_000_000).equals(Buffer.from(await store.read(url, { start: 100, end: 2_000_000 }))),
  );
});

test("redirections are followed, without the password for other hosts", async (t) => {
  const heard: (string | undefined)[] = [];
  const target = await serve(t, (request, response) => {
    heard.push(request.headers.authorization);
    withRanges(request, response);
  });
  const front = await serve(t, (request, response) => {
    heard.push(request.headers.authorization);
    response.writeHead(302, { location: `${target}/elsewhere`, "content-length": 0 }).end();
  });
  const store = storeFor(t);
  const url = `${front.replace("http://", "http://user:pass%20word@")}/x`;
  assert.ok(content.subarray(0, 1000).equals(Buffer.from(await store.read(url, { start: 0, end: 1000 }))));
  assert.deepEqual(heard, [`Basic ${Buffer.from("user:pass word").toString("base64")}`, undefined]);
  const to = (location: string) =>
    serve(t, (_, response) => response.writeHead(302, { location, "content-length": 0 }).end());
  const loop = await to("/again");
  await rejectsWith("IO_ERROR", () => store.stat(loop), /redirected more than 5 times/);
  for (const [location, shown] of [
    ["file:///etc/passwd", /redirected to file:\/\/\/etc\/passwd, which is not an http URL/],
    ["http://[::1", /redirected to http:\/\/\*\*\*, which/],
    ["ftp://bob:secret@host/x", /redirected to ftp:\/\/host\/x, which/],
  ] as const) {
    const front = await to(location);
    await rejectsWith("IO_ERROR", () => store.stat(front), shown);
  }
});

test("user names and passwords are sent as they are meant, and what is shown of a URL is not taken for it", async (t) => {
  const heard: (string | undefined)[] = [];
  const url = await serve(t, (request, response) => {
    heard.push(request.headers.authorization);
    withRanges(request, response);
  });
  const store = storeFor(t);
  const logins = ["50%off:100%", "b%C3%BCb:p%40ss%2Fw", ":word", "name:"];
  for (const login of logins) await store.stat(`${url.replace("http://", `http://${login}@`)}/x`);
  assert.deepEqual(
    heard.map((header) => Buffer.from(header?.replace("Basic ", "") ?? "", "base64").toString()),
    ["50%off:100%", "büb:p@ss/w", ":word", "name:"],
  );
  await rejectsWith("UNSUPPORTED_URL", () => store.stat(`${url}/x?~0123abcd`), /give the URL as it was/);
});

test("what a web server refuses is said; a file that changes is noticed; nothing can be written or listed", async (t) => {
  let version = 0;
  const url = await serve(t, (request, response) => {
    const status = /^\/(\d{3})/.exec(request.url ?? "")?.[1];
    if (status !== undefined) response.writeHead(Number(status), { "content-length": 0 }).end();
    else if (request.url === "/empty")
      response.writeHead(416, { "content-range": "bytes */0", "content-length": 0 }).end();
    else {
      response.setHeader("x", "y");
      const etag = `"v${version++}"`;
      response.writeHead(206, { etag, "content-length": 1, "content-range": "bytes 0-0/100" }).end("x");
    }
  });
  const store = storeFor(t);
  assert.equal(await store.stat(`${url}/404`), undefined);
  await rejectsWith("ACCESS_DENIED", () => store.stat(`${url}/403`), /signed URL may have expired/);
  await rejectsWith("NOT_FOUND", () => store.read(`${url}/404`, { start: 0, end: 1 }));
  await rejectsWith("IO_ERROR", () => store.stat(`${url}/500`), /status 500 \(tried 5 times\)/);
  await rejectsWith("IO_ERROR", () => store.stat(`${url}/418`), /unexpected status 418/);
  assert.equal((await store.stat(`${url}/empty`))?.byteLength, 0);
  assert.equal((await readAll(store.stream(`${url}/empty`))).length, 0);
  await store.stat(`${url}/changing`);
  await rejectsWith("OBJECT_CHANGED", () => store.read(`${url}/changing`, { start: 0, end: 1 }));
  await rejectsWith("OUTPUT_NOT_WRITABLE", async () => writableAt(`${url}/x`), /read only/);
  await rejectsWith("UNSUPPORTED_URL", async () => writableAt("gs://bucket/x"), /found gs:/);
  await rejectsWith("UNSUPPORTED_URL", () => store.list(`${url}/x`), /cannot be listed/);
  await rejectsWith("ENDPOINT_UNREACHABLE", () => store.stat("http://127.0.0.1:9/x"), /cannot connect/);
  const garbage = await serve(t, (request) => request.socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
  await rejectsWith("IO_ERROR", () => store.stat(garbage), /no HTTP/);
});

test("over TLS: read with a certificate that is known, refused with one that is not", async (t) => {
  const server = createSecureServer({ key, cert }, withRanges);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  for (const host of ["localhost", "127.0.0.1"])
    await rejectsWith(
      "ENDPOINT_UNREACHABLE",
      () => storeFor(t).stat(`https://${host}:${port}/x`),
      /no secure connection.*NODE_EXTRA_CA_CERTS/,
    );
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, "cert.pem"), cert);
  const storage = path.join(projectRoot, "dist", "src", "storage", "http", "store.js");
  const script = `
    import { HttpStore } from ${JSON.stringify(storage)};
    import { createHash } from "node:crypto";
    const store = new HttpStore();
    const hash = createHash("sha256");
    for await (const chunk of store.stream("https://localhost:${port}/x")) hash.update(chunk);
    hash.update(await store.read("https://127.0.0.1:${port}/x", { start: 5, end: 9_000_005 }));
    console.log(hash.digest("hex"));
    await store.close();`;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: path.join(folder, "cert.pem") };
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const printed = await Promise.all([child.stdout, child.stderr].map((stream) => readAll(stream)));
  const expected = createHash("sha256").update(content).update(content.subarray(5, 9_000_005)).digest("hex");
  assert.deepEqual(printed.map(String), [`${expected}\n`, ""]);
});

test("braces expand in the path of a URL, a query is left alone", async (t) => {
  configureStorage({});
  const url = await serve(t, (request, response) => {
    if (request.url?.split("?")[0]?.includes("%7B")) response.writeHead(404, { "content-length": 0 }).end();
    else withRanges(request, response);
  });
  assert.deepEqual(
    await expandPatterns([`${url}/a-{00..02}.tar?sig={x}*`]),
    [0, 1, 2].map((i) => `${url}/a-0${i}.tar?sig={x}*`),
  );
  assert.equal(baseName(`${url}/dir/a.tar.gz?sig=x/y`), "a.tar.gz");
});
