import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { PutBucketRequestPaymentCommand } from "@aws-sdk/client-s3";
import { randomFor } from "../../src/shards/random.js";
import { at, writableAt } from "../../src/storage/at.js";
import { expandPatterns } from "../../src/storage/expand.js";
import { putObject, readText } from "../../src/storage/objects.js";
import type { S3Options } from "../../src/storage/s3/client.js";
import { S3Store } from "../../src/storage/s3/store.js";
import { configureStorage } from "../../src/storage/store.js";
import { joinUrl } from "../../src/storage/url.js";
import { rejectsWith } from "../support/errors.js";
import type { FaultProxy } from "../support/fault-proxy.js";
import { projectRoot, temporaryFolder } from "../support/files.js";
import { credentials, logIn, S3Server, strangerCredentials } from "../support/s3-server.js";
import { until } from "../support/until.js";

let server: S3Server;
let proxy: FaultProxy;

before(async () => {
  server = await S3Server.start();
  proxy = await server.proxy();
  logIn();
  await server.bucket("bucket");
});

after(async () => {
  await proxy.stop();
  await server.stop();
});

/** A store of its own, closed after the test. */
async function withStore<T>(options: S3Options, use: (store: S3Store) => Promise<T>): Promise<T> {
  const store = new S3Store(options);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

function randomBytes(byteLength: number, seed: number): Buffer {
  const random = randomFor(seed, "bytes");
  const bytes = Buffer.alloc(byteLength);
  for (let i = 0; i < byteLength; i++) bytes[i] = random.next() * 256;
  return bytes;
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const kept: Uint8Array[] = [];
  for await (const chunk of chunks) kept.push(Uint8Array.from(chunk));
  return Buffer.concat(kept);
}

const sizes = [0, 1, 1000, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20_000_001];

test("objects of every size are written in one or many parts, and read whole, from anywhere and by ranges", async () => {
  await withStore(server.options(), async (store) => {
    for (const size of sizes) {
      const url = `s3://bucket/sizes/${size}`;
      const bytes = randomBytes(size, size);
      const writer = await store.create(url);
      for (let at = 0; at < size; at += 3_000_017) await writer.write(bytes.subarray(at, at + 3_000_017));
      assert.equal(await store.stat(url), undefined, "invisible until it is committed");
      const info = await writer.commit();
      assert.equal(info.byteLength, size);
      assert.deepEqual(await store.stat(url), info);
      assert.ok(bytes.equals(await readAll(store.stream(url))), `${size} bytes`);
      assert.ok(bytes.equals(await readAll(store.stream(url, { reuseChunks: true }))));
      for (const start of [1, size >> 1, size].filter((at) => at <= size))
        assert.ok(bytes.subarray(start).equals(await readAll(store.stream(url, { start }))), `${size} from ${start}`);
      const range = { start: size >> 2, end: size - (size >> 3) };
      const target = new Uint8Array(new SharedArrayBuffer(range.end - range.start));
      await store.read(url, range, target);
      assert.ok(bytes.subarray(range.start, range.end).equals(Buffer.from(target)));
    }
    await rejectsWith(
      "IO_ERROR",
      () => store.read("s3://bucket/sizes/1000", { start: 990, end: 1010 }),
      /end of the object/,
    );
    await rejectsWith(
      "IO_ERROR",
      () => store.read("s3://bucket/sizes/1000", { start: 2000, end: 2010 }),
      /end of the object/,
    );
  });
});

test("keys are literal, whatever they contain", async () => {
  const keys = [
    "a b",
    "a+b",
    "a%20b",
    "a%2Bb",
    "ü ∑ 漢",
    "x?y=z&w#h",
    "q'uo\"te<&>",
    "~tilde!(paren)*",
    "..",
    "dots/../x",
    "white  two",
  ];
  await withStore(server.options(), async (store) => {
    for (const [i, key] of keys.entries()) {
      const url = `s3://bucket/odd/${key}`;
      const writer = await store.create(url);
      await writer.write(Buffer.from(`content ${i}`));
      await writer.commit();
      assert.equal(
        Buffer.from(await server.get("bucket", `odd/${key}`)).toString(),
        `content ${i}`,
        "by another client",
      );
      assert.equal((await readAll(store.stream(url))).toString(), `content ${i}`);
    }
    const names = (await store.list("s3://bucket/odd")).map(({ url }) => url.slice("s3://bucket/odd/".length));
    assert.deepEqual(names, [...keys.filter((key) => !key.includes("/")), "dots"].sort());
  });
});

test("a listing of more than a thousand keys is complete, sorted, and knows folders", async () => {
  await withStore(server.options(), async (store) => {
    const names = Array.from({ length: 1205 }, (_, i) => `n${String(i).padStart(4, "0")}.tar`);
    for (let i = 0; i < names.length; i += 50)
      await Promise.all(names.slice(i, i + 50).map((name) => server.put("bucket", `many/${name}`, "x")));
    await server.put("bucket", "many/sub/deep.tar", "x");
    await server.put("bucket", "many/marker/", "");
    const found = await store.list("s3://bucket/many/");
    assert.deepEqual(
      found.filter(({ kind }) => kind === "object").map(({ url }) => url),
      names.map((name) => `s3://bucket/many/${name}`),
    );
    assert.deepEqual(
      found.filter(({ kind }) => kind === "folder").map(({ url }) => url),
      ["s3://bucket/many/marker", "s3://bucket/many/sub"],
    );
    assert.equal((await store.stat("s3://bucket/many"))?.kind, "folder");
    assert.equal((await store.stat("s3://bucket"))?.kind, "folder");
    await server.put("bucket", "made/", ""); // as consoles make a folder
    assert.equal((await store.stat("s3://bucket/made"))?.kind, "folder");
    assert.deepEqual(await store.list("s3://bucket/made"), []);
    await server.put("bucket", "made/a.tar", "x");
    assert.equal((await store.stat("s3://bucket/made/"))?.kind, "folder");
    assert.equal(await store.stat("s3://bucket/man"), undefined);
    assert.equal((await store.list("s3://bucket/many", { namePrefix: "n12" })).length, 5);
  });
  configureStorage({ s3: server.options() });
  const expand = async (...patterns: string[]) =>
    (await expandPatterns(patterns)).map((url) => url.slice("s3://bucket/".length));
  assert.deepEqual(await expand("s3://bucket/many/n{0003..0001}.tar"), [
    "many/n0003.tar",
    "many/n0002.tar",
    "many/n0001.tar",
  ]);
  assert.deepEqual(
    await expand("s3://bucket/many/n120?.tar"),
    [0, 1, 2, 3, 4].map((i) => `many/n120${i}.tar`),
  );
  assert.deepEqual(await expand("s3://bucket/m*/**/d*.tar"), ["many/sub/deep.tar"]);
  await rejectsWith("NO_SOURCES", () => expand("s3://bucket/many/z*.tar"), /no object matches s3:\/\/bucket\/many\/z/);
});

test("nothing half-written stays: aborted, failed and forgotten uploads", async () => {
  const big = randomBytes(20 << 20, 1);
  await withStore(server.options(), async (store) => {
    const aborted = await store.create("s3://bucket/up/aborted");
    await aborted.write(big);
    await until("the upload begins, while more is written", async () =>
      (await server.openUploads("bucket")).includes("up/aborted"),
    );
    await aborted.abort();
    assert.deepEqual(await server.openUploads("bucket"), []);
    assert.equal(await store.stat("s3://bucket/up/aborted"), undefined);

    const controller = new AbortController();
    const interrupted = await store.create("s3://bucket/up/interrupted", { signal: controller.signal });
    await interrupted.write(big);
    controller.abort(new Error("stop"));
    await assert.rejects(async () => {
      await interrupted.write(big);
      await interrupted.commit();
    }, /stop/);
    await interrupted.abort();
    assert.deepEqual(await server.openUploads("bucket"), []);

    for (const name of ["ours-1", "theirs", "sub/ours-2"])
      await (await store.create(`s3://bucket/up/${name}`)).write(big);
    await until("all three have begun", async () => (await server.openUploads("bucket")).length >= 3);
    await store.sweep("s3://bucket/up", (name) => name.startsWith("ours"));
    assert.deepEqual((await server.openUploads("bucket")).sort(), ["up/sub/ours-2", "up/theirs"]);
    await store.sweep("s3://bucket/up", () => true);
    await store.sweep("s3://bucket/up/sub", () => true);
    assert.deepEqual(await server.openUploads("bucket"), []);
  });
});

test("of two who write what must not exist yet one succeeds, though an answer is lost", async () => {
  await withStore(server.options(proxy.endpoint), async (store) => {
    const url = "s3://bucket/once";
    const [mine, theirs] = [await store.create(url, { ifAbsent: true }), await store.create(url, { ifAbsent: true })];
    await mine.write(Buffer.from("mine"));
    await theirs.write(Buffer.from("theirs"));
    let lost = false;
    proxy.decide = ({ method }) => {
      if (method !== "PUT" || lost) return undefined;
      lost = true;
      return { kind: "lost-answer" };
    };
    assert.equal((await mine.commit()).byteLength, 4);
    proxy.decide = () => undefined;
    await rejectsWith("OBJECT_EXISTS", () => theirs.commit(), /somebody else/);
    await theirs.abort();
    assert.equal(Buffer.from(await server.get("bucket", "once")).toString(), "mine");
  });
});

test("a service that knows no conditional writes is written to without conditions", async () => {
  await withStore(server.options(proxy.endpoint), async (store) => {
    proxy.decide = ({ headers }) =>
      headers["if-none-match"] === undefined ? undefined : { kind: "status", status: 501, code: "NotImplemented" };
    for (const bytes of [randomBytes(1000, 1), randomBytes(9 << 20, 2)]) {
      const writer = await store.create("s3://bucket/unconditional", { ifAbsent: true });
      await writer.write(bytes);
      assert.equal((await writer.commit()).byteLength, bytes.length);
    }
    const lock = await store.lock("s3://bucket/unconditional-lock");
    assert.ok(lock !== undefined);
    await lock.release();
    proxy.decide = () => undefined;
  });
});

test("of many who want a folder one gets it, a dead one's claim on this machine is taken over, and a release frees it", async () => {
  await withStore(server.options(), async (store) => {
    const claims = await Promise.all(Array.from({ length: 4 }, () => store.lock("s3://bucket/locked")));
    const held = claims.filter((lock) => lock !== undefined);
    assert.equal(held.length, 1);
    await held[0]?.release();
    assert.deepEqual(await store.list("s3://bucket/locked"), []);
    const dead = { id: "x", host: (await import("node:os")).hostname(), pid: 2 ** 22 + 1, renewal: 7 };
    await server.put("bucket", "locked/dctstream.lock.7", JSON.stringify(dead));
    const lock = await store.lock("s3://bucket/locked");
    assert.ok(lock !== undefined);
    assert.deepEqual(
      (await store.list("s3://bucket/locked")).map(({ url }) => url),
      ["s3://bucket/locked/dctstream.lock.8"],
    );
    // Somebody on another machine believes this one dead.
    await server.put("bucket", "locked/dctstream.lock.9", JSON.stringify({ ...dead, host: "elsewhere" }));
    await new Promise((resolve) => lock.lost?.addEventListener("abort", resolve, { once: true }));
    await rejectsWith("OUTPUT_IN_USE", () => lock.lost?.throwIfAborted());
    await lock.release();
  });
});

test("what is wrong with a bucket, a key, the credentials or the endpoint is said, with what to do", async () => {
  const options = server.options();
  await withStore(options, async (store) => {
    await rejectsWith("NO_SUCH_BUCKET", () => store.stat("s3://no-such-bucket/key"), /no bucket no-such-bucket/);
    await rejectsWith("NO_SUCH_BUCKET", () => store.list("s3://no-such-bucket"));
    await rejectsWith(
      "NOT_FOUND",
      () => store.read("s3://bucket/none", { start: 0, end: 1 }),
      /bucket has no object none/,
    );
    await rejectsWith("NOT_FOUND", () => readAll(store.stream("s3://bucket/none")), /none/);
    await rejectsWith("UNSUPPORTED_URL", () => store.stat("s3:///key"));
  });
  await server.put("bucket", "private", "x");
  await withStore({ ...options, anonymous: true }, async (store) => {
    await rejectsWith("ACCESS_DENIED", () => store.stat("s3://bucket/private"), /private in bucket bucket/);
  });
  logIn(strangerCredentials);
  await withStore(options, async (store) => {
    await rejectsWith("ACCESS_DENIED", () => store.stat("s3://bucket/private"), /check the policy/);
    await rejectsWith(
      "OUTPUT_NOT_WRITABLE",
      async () => (await store.create("s3://bucket/mine")).commit(),
      /bucket bucket does not let these credentials change mine; allow s3:PutObject/,
    );
    await rejectsWith("OUTPUT_NOT_WRITABLE", () => store.remove("s3://bucket/private"));
  });
  logIn({ ...credentials, secretAccessKey: "wrong" });
  await withStore(options, async (store) => {
    await rejectsWith("ACCESS_DENIED", () => store.list("s3://bucket"), /SignatureDoesNotMatch/);
  });
  delete process.env.AWS_ACCESS_KEY_ID;
  delete process.env.AWS_SECRET_ACCESS_KEY;
  process.env.AWS_EC2_METADATA_DISABLED = "true";
  await withStore(options, async (store) => {
    await rejectsWith("NO_CREDENTIALS", () => store.stat("s3://bucket/private"), /`s3\.profile`, or `s3\.anonymous`/);
  });
  await withStore({ ...options, profile: "no-such-profile" }, async (store) => {
    await rejectsWith("NO_CREDENTIALS", () => store.stat("s3://bucket/private"), /no credentials found/);
  });
  logIn();
  await withStore({ ...options, endpoint: "localhost:9000" }, async (store) => {
    await rejectsWith("INVALID_OPTION", () => store.stat("s3://bucket/x"), /a URL such as http:\/\/localhost:9000/);
  });
  await withStore({ ...options, endpoint: "http://127.0.0.1:9" }, async (store) => {
    await rejectsWith("ENDPOINT_UNREACHABLE", () => store.stat("s3://bucket/x"), /cannot connect/);
  });
  await withStore({ ...options, endpoint: "http://nowhere.invalid" }, async (store) => {
    await rejectsWith("ENDPOINT_UNREACHABLE", () => store.stat("s3://bucket/x"), /nowhere\.invalid/);
  });
});

test("a bucket in another region and a name that no bucket can have", async () => {
  await withStore(server.options(proxy.endpoint), async (store) => {
    proxy.decide = () => ({
      kind: "status",
      status: 301,
      code: "PermanentRedirect",
      headers: { "x-amz-bucket-region": "eu-west-3" },
    });
    await rejectsWith("WRONG_REGION", () => store.stat("s3://bucket/x"), /`s3\.region` eu-west-3/);
    await rejectsWith(
      "WRONG_REGION",
      () => store.read("s3://bucket/x", { start: 0, end: 1 }),
      /`s3\.region` eu-west-3/,
    );
    proxy.decide = () => ({ kind: "status", status: 400, code: "InvalidBucketName" });
    await rejectsWith("UNSUPPORTED_URL", () => store.list("s3://B_"), /B_ cannot be the name of a bucket/);
    proxy.decide = () => undefined;
  });
});

test("public objects need no credentials, and requesters pay when they say so", async () => {
  await server.bucket("public");
  await server.put("public", "key", "hello");
  await server.publish("public");
  const saved = { ...process.env };
  delete process.env.AWS_ACCESS_KEY_ID;
  delete process.env.AWS_SECRET_ACCESS_KEY;
  await withStore({ ...server.options(), anonymous: true }, async (store) => {
    assert.equal((await readAll(store.stream("s3://public/key"))).toString(), "hello");
    assert.equal((await store.list("s3://public")).length, 1);
  });
  Object.assign(process.env, saved);
  const payment = { Bucket: "public", RequestPaymentConfiguration: { Payer: "Requester" as const } };
  await server.client.send(new PutBucketRequestPaymentCommand(payment));
  logIn(strangerCredentials);
  await withStore(server.options(), (store) =>
    rejectsWith("ACCESS_DENIED", () => store.stat("s3://public/key"), /requesterPays/),
  );
  await withStore({ ...server.options(), requesterPays: true }, async (store) => {
    assert.equal((await readAll(store.stream("s3://public/key"))).toString(), "hello");
    assert.equal((await store.list("s3://public")).length, 1);
  });
  logIn();
});

test("small reads that are asked for together are few requests, and each gets its own bytes or its own error", async () => {
  const bytes = randomBytes(3 << 20, 5);
  await server.put("bucket", "small-reads", bytes);
  await withStore(server.options(proxy.endpoint), async (store) => {
    const url = "s3://bucket/small-reads";
    await store.stat(url);
    const ranges = Array.from({ length: 40 }, (_, i) => ({
      start: 1000 + i * 20_000,
      end: 1500 + i * 20_000,
    })).reverse();
    const far = { start: 2_900_000, end: 2_900_010 };
    proxy.seen.length = 0;
    const found = await Promise.all([...ranges, far].map((range) => store.read(url, range)));
    for (const [i, { start, end }] of [...ranges, far].entries())
      assert.ok(bytes.subarray(start, end).equals(found[i] as Buffer));
    assert.deepEqual(proxy.seen.map(({ range }) => range).sort(), ["bytes=1000-781499", "bytes=2900000-2900009"]);
    const last = { start: bytes.length - 10, end: bytes.length };
    const [good, bad] = await Promise.allSettled([
      store.read(url, last),
      store.read(url, { start: last.start, end: last.end + 1 }),
    ]);
    assert.ok(good.status === "fulfilled" && bytes.subarray(-10).equals(good.value as Buffer));
    assert.ok(bad.status === "rejected" && /end of the object/.test(String(bad.reason)));
    const controller = new AbortController();
    const aborted = store.read(url, far, undefined, controller.signal);
    const other = store.read(url, { start: 2_900_000, end: 2_900_005 });
    controller.abort(new Error("enough"));
    await assert.rejects(aborted, /enough/);
    assert.ok(bytes.subarray(2_900_000, 2_900_005).equals((await other) as Buffer));
  });
});

test("a profile says endpoint, region and keys, of its own or by its services", async (t) => {
  const folder = temporaryFolder(t);
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const endpoint = `endpoint_url = ${server.endpoint}`;
  const config = `[profile direct]\nregion = eu-test-1\n${endpoint}\n[profile by-service]\nservices = local\n[services local]\ns3 =\n  ${endpoint}\n`;
  const keys = `aws_access_key_id = ${credentials.accessKeyId}\naws_secret_access_key = ${credentials.secretAccessKey}\n`;
  const script = `
    import { S3Store } from ${JSON.stringify(path.join(projectRoot, "dist", "src", "storage", "s3", "store.js"))};
    const store = new S3Store({ profile: process.argv[1] });
    console.log((await store.list("s3://bucket/profile")).length);
    await store.close();`;
  await server.put("bucket", "profile/object", "x");
  const env = {
    PATH: process.env.PATH,
    AWS_CONFIG_FILE: file("config", config),
    AWS_SHARED_CREDENTIALS_FILE: file("credentials", `[direct]\n${keys}[by-service]\n${keys}`),
    AWS_EC2_METADATA_DISABLED: "true",
  };
  for (const profile of ["direct", "by-service"]) {
    const done = spawnSync(process.execPath, ["--input-type=module", "-e", script, profile], { env, encoding: "utf8" });
    assert.deepEqual([done.stdout, done.stderr], ["1\n", ""], profile);
  }
});

test("the process-wide stores are configured once, and small objects go through them", async () => {
  configureStorage({ s3: server.options() });
  const folder = "s3://bucket/text";
  await putObject(joinUrl(folder, "a.json"), "{}");
  assert.equal(await readText(joinUrl(folder, "a.json")), "{}");
  assert.equal(await readText(joinUrl(folder, "b.json")), undefined);
  await writableAt(joinUrl(folder, "a.json")).remove();
  await writableAt(joinUrl(folder, "a.json")).remove();
  assert.deepEqual(await at(folder).list(), []);
});

test("closing a store ends its connections", async () => {
  await server.put("bucket", "close", randomBytes(9 << 20, 3));
  const store = new S3Store(server.options(proxy.endpoint));
  await readAll(store.stream("s3://bucket/close"));
  for await (const _ of store.stream("s3://bucket/close")) break;
  assert.ok(proxy.openConnections > 0);
  await store.close();
  await until("no connection is left", () => proxy.openConnections === 0);
});
