import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { expandPatterns } from "../../src/storage/expand.js";
import { joinUrl, openStore, putObject, readText } from "../../src/storage/store.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder } from "../support/files.js";

test("an object is invisible until it is committed and gone when aborted", async (t) => {
  const folder = temporaryFolder(t);
  const url = path.join(folder, "deep", "object");
  const writer = await openStore(url).create(url);
  await writer.write(new Uint8Array([1, 2, 3]));
  assert.equal(await openStore(url).stat(url), undefined);
  const info = await writer.commit();
  assert.equal(info.byteLength, 3);
  const second = await openStore(url).create(url);
  await second.write(new Uint8Array([9]));
  await second.abort();
  assert.deepEqual(await openStore(url).read(url, { start: 0, end: 3 }), new Uint8Array([1, 2, 3]));
  assert.deepEqual(await namesIn(path.dirname(url)), ["object"]);
});

test("what must not exist yet is not written over", async (t) => {
  const url = path.join(temporaryFolder(t), "object");
  const [mine, theirs] = [
    await openStore(url).create(url, { ifAbsent: true }),
    await openStore(url).create(url, { ifAbsent: true }),
  ];
  await mine.write(new Uint8Array([1]));
  await mine.commit();
  await rejectsWith("OBJECT_EXISTS", () => theirs.commit());
  await theirs.abort();
  assert.deepEqual(await namesIn(path.dirname(url)), ["object"]);
  assert.deepEqual(await openStore(url).read(url, { start: 0, end: 1 }), new Uint8Array([1]));
});

test("a range is read exactly, into shared memory too, and a short object is an error that says where", async (t) => {
  const url = path.join(temporaryFolder(t), "object");
  await putObject(
    url,
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );
  const store = openStore(url);
  assert.deepEqual([...(await store.read(url, { start: 10, end: 14 }))], [10, 11, 12, 13]);
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  await store.read(url, { start: 96, end: 100 }, shared);
  assert.deepEqual([...shared], [96, 97, 98, 99]);
  await rejectsWith("IO_ERROR", () => store.read(url, { start: 90, end: 110 }), /after 10.*at byte 100/);
  await rejectsWith("NOT_FOUND", () => store.read(`${url}-none`, { start: 0, end: 1 }));
  assert.equal(await readText(`${url}-none`), undefined);
});

test("an unknown scheme is named", async () => {
  await rejectsWith("UNSUPPORTED_URL", () => openStore("gopher://x/y"), /gopher/);
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
