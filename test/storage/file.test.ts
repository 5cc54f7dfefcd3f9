import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { at, writableAt } from "../../src/storage/at.js";
import { expandPatterns } from "../../src/storage/expand.js";
import { putObject, readObject, readText } from "../../src/storage/objects.js";
import { baseName, joinUrl } from "../../src/storage/url.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder } from "../support/files.js";

test("an object is invisible until it is committed and gone when aborted", async (t) => {
  const folder = temporaryFolder(t);
  const url = path.join(folder, "deep", "object");
  const writer = await writableAt(url).create();
  await writer.write(new Uint8Array([1, 2, 3]));
  assert.equal(await at(url).stat(), undefined);
  const info = await writer.commit();
  assert.equal(info.byteLength, 3);
  const second = await writableAt(url).create();
  await second.write(new Uint8Array([9]));
  await second.abort();
  assert.deepEqual(await at(url).read({ start: 0, end: 3 }), new Uint8Array([1, 2, 3]));
  assert.deepEqual(await namesIn(path.dirname(url)), ["object"]);
});

test("what must not exist yet is not written over", async (t) => {
  const url = path.join(temporaryFolder(t), "object");
  const [mine, theirs] = [
    await writableAt(url).create({ ifAbsent: true }),
    await writableAt(url).create({ ifAbsent: true }),
  ];
  await mine.write(new Uint8Array([1]));
  await mine.commit();
  await rejectsWith("OBJECT_EXISTS", () => theirs.commit());
  await theirs.abort();
  assert.deepEqual(await namesIn(path.dirname(url)), ["object"]);
  assert.deepEqual(await at(url).read({ start: 0, end: 1 }), new Uint8Array([1]));
});

test("a range is read exactly, into shared memory too, and a short object is an error that says where", async (t) => {
  const url = path.join(temporaryFolder(t), "object");
  await putObject(
    url,
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );
  const object = at(url);
  assert.deepEqual([...(await object.read({ start: 10, end: 14 }))], [10, 11, 12, 13]);
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  await object.read({ start: 96, end: 100 }, shared);
  assert.deepEqual([...shared], [96, 97, 98, 99]);
  await rejectsWith("IO_ERROR", () => object.read({ start: 90, end: 110 }), /after 10.*at byte 100/);
  await rejectsWith("NOT_FOUND", () => at(`${url}-none`).read({ start: 0, end: 1 }));
  assert.equal(await readText(`${url}-none`), undefined);
});

test("an unknown scheme is named", async () => {
  await rejectsWith("UNSUPPORTED_URL", () => at("gopher://x/y"), /gopher/);
});

test("names join with one slash", () => {
  assert.equal(joinUrl("/a/b/", "c"), "/a/b/c");
  assert.equal(joinUrl("a", "/c"), "/c");
  assert.equal(joinUrl("/", "c"), "/c");
});

test("braces keep leading zeros and their order, globs are sorted, duplicates are dropped", async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["a-000.tar", "a-001.tar", "a-010.tar", "b{1}.tar"]) writeFileSync(path.join(folder, name), "");
  mkdirSync(path.join(folder, "sub"));
  const expand = async (...patterns: string[]) =>
    (await expandPatterns(patterns.map((p) => path.join(folder, p)))).map((url) => path.basename(url));
  assert.deepEqual(await expand("a-{001..000}.tar"), ["a-001.tar", "a-000.tar"]);
  assert.deepEqual(await expand("a-*.tar", "a-000.tar"), ["a-000.tar", "a-001.tar", "a-010.tar"]);
  assert.deepEqual(await expand("b{1}.tar"), ["b{1}.tar"], "a literal name with braces");
  await rejectsWith("NO_SOURCES", () => expand("a-{000..002}.tar"), /a-002\.tar/);
  await rejectsWith("NO_SOURCES", () => expand("c*.tar"));
});

test("a list tells of everything: names that are not text keep their bytes, and what cannot be read says why", async (t) => {
  const folder = temporaryFolder(t);
  const inLatin = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]);
  mkdirSync(inLatin);
  writeFileSync(Buffer.concat([inLatin, Buffer.from("/1 #%.jpg")]), "one");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/b`), Buffer.from([0xff]), Buffer.from(".jpg")]), "two");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/b`), Buffer.from([0xfe]), Buffer.from(".jpg")]), "three");
  symlinkSync("nowhere", path.join(folder, "dangling.jpg"));
  symlinkSync("loop.jpg", path.join(folder, "loop.jpg"));
  execFileSync("mkfifo", [path.join(folder, "pipe.jpg")]);
  const socket = createServer().listen(path.join(folder, "socket.jpg"));
  t.after(() => socket.close());
  await once(socket, "listening");
  const listed = await at(folder).list();
  assert.deepEqual(
    listed.map(({ url, kind, problem }) => [baseName(url), kind, problem]),
    [
      ["b%FE.jpg", "object", undefined],
      ["b%FF.jpg", "object", undefined],
      ["caf%E9", "folder", undefined],
      ["dangling.jpg", "other", "a link that leads nowhere: ENOENT"],
      ["loop.jpg", "other", "a link that leads nowhere: ELOOP"],
      ["pipe.jpg", "other", "a pipe, a socket or a device"],
      ["socket.jpg", "other", "a pipe, a socket or a device"],
    ],
  );
  const read = async (url: string) => Buffer.from((await readObject(url)) ?? []).toString();
  assert.deepEqual(await Promise.all([listed[0], listed[1]].map((info) => read(info?.url ?? ""))), ["three", "two"]);
  for (const name of ["pipe.jpg", "socket.jpg"]) {
    const url = path.join(folder, name);
    const stream = async () => {
      for await (const _ of at(url).stream());
    };
    for (const read of [() => readObject(url), stream])
      await rejectsWith("UNSUPPORTED_ENTRY", read, /a pipe, a socket or a device/);
  }
  const below = await at(listed[2]?.url ?? "").list();
  assert.deepEqual(await Promise.all(below.map(({ url }) => read(url))), ["one"]);
  await rejectsWith("NOT_FOUND", () => at(path.join(folder, "none")).list());
});
