import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { inspect } from "node:util";
import { asToolkitError, fromWire, systemError, ToolkitError, toWire } from "../src/errors.js";

test("an error keeps its code and facts across a structured clone", () => {
  const error = new ToolkitError("BAD_JPEG", "jpeg ends inside a scan", { source: "a.tar", key: "k", offset: 7 });
  const back = fromWire(structuredClone(toWire(error)));
  assert.ok(back instanceof ToolkitError);
  assert.deepEqual(
    [back.code, back.message, back.source, back.key, back.offset],
    ["BAD_JPEG", "jpeg ends inside a scan", "a.tar", "k", 7],
  );
  assert.equal(back.describe(), "BAD_JPEG: jpeg ends inside a scan (a.tar, k, at byte 7)");
});

test("what others throw becomes ours: addon codes are kept, system codes are translated, what is left is INTERNAL", () => {
  assert.equal(asToolkitError(Object.assign(new Error("x"), { code: "CORRUPT_RECORD" })).code, "CORRUPT_RECORD");
  assert.equal(asToolkitError(Object.assign(new Error("x"), { code: "ERR_INVALID_ARG_TYPE" })).code, "INTERNAL");
  assert.equal(asToolkitError(new TypeError("x")).code, "INTERNAL");
  assert.equal(asToolkitError("text").message, "text");
});

test("every error of the operating system has a code, a message and a place, whatever was being done", () => {
  const codeOf = (name: string, syscall: string) => {
    const thrown = Object.assign(new Error(`${name}: text, ${syscall} '/a'`), { code: name, syscall, path: "/a" });
    const { code, message, source } = asToolkitError(thrown);
    assert.ok(message.includes(name), message);
    assert.equal(source, "/a");
    return code;
  };
  for (const name of Object.keys(constants.errno))
    for (const syscall of ["open", "read", "scandir", "stat", "write", "fsync", "mkdir", "rename", "unlink", "connect"])
      assert.notEqual(codeOf(name, syscall), "INTERNAL", `${name} of ${syscall}`);
  assert.equal(codeOf("ENOENT", "open"), "NOT_FOUND");
  assert.equal(codeOf("EACCES", "scandir"), "ACCESS_DENIED");
  assert.equal(codeOf("ENOENT", "mkdir"), "OUTPUT_NOT_WRITABLE");
  assert.equal(codeOf("EROFS", "rename"), "OUTPUT_NOT_WRITABLE");
  assert.equal(codeOf("EIO", "write"), "IO_ERROR");
  for (const name of ["ENOSPC", "EDQUOT", "EFBIG"]) assert.equal(codeOf(name, "write"), "OUT_OF_SPACE");
  for (const name of ["EMFILE", "ENFILE"]) assert.equal(codeOf(name, "open"), "TOO_MANY_OPEN_FILES");
  // As Node's loader says it of a package's own file, without a code.
  const wordsOnly = new Error("Cannot read package config /x/package.json: too many open files.");
  assert.equal(asToolkitError(wordsOnly).code, "TOO_MANY_OPEN_FILES");
  assert.equal(codeOf("ENOMEM", "read"), "OUT_OF_MEMORY");
  const { code, message, source } = systemError("cannot write there", "create", "out", new Error("x", {}));
  assert.deepEqual([code, message, source], ["INTERNAL", "x", "out"], "what is no error of the system stays a defect");
});

test("no secret of a URL is in an error, in its cause or in what is sent across threads", () => {
  const url = "https://bob:hunter2@host/a.tar?token=hunter2";
  const cause = Object.assign(new TypeError(`fetch of ${url} failed`, { cause: new Error(url) }), { input: url });
  const error = new ToolkitError("IO_ERROR", `cannot read ${url}`, { source: url, cause });
  for (const told of [
    inspect(error, { depth: 9 }),
    error.describe(),
    JSON.stringify(toWire(error)),
    String(error.stack),
  ])
    assert.doesNotMatch(told, /hunter2/);
  assert.equal(error.source, "https://host/a.tar");
  assert.match(inspect(error.cause), /TypeError\]?: fetch of https:\/\/host\/a.tar\n +at .*errors.test/);
  assert.doesNotMatch(JSON.stringify(toWire(new Error("x"), { source: url })), /hunter2/);
  assert.doesNotMatch(JSON.stringify(toWire(new ToolkitError("IO_ERROR", "x"), { source: url })), /hunter2/);
  const harmless = new Error("disk full");
  assert.equal(new ToolkitError("IO_ERROR", "x", { cause: harmless }).cause, harmless, "others stay what they are");
});

test("an error is told on one line that a terminal obeys nothing of", () => {
  const error = new ToolkitError("BAD_LABEL", "no class \u001b[2J\nfake", { source: "a\u202e.tar", key: "k\u0085" });
  assert.equal(error.describe(), "BAD_LABEL: no class \\x1b[2J\\nfake (a\\u202e.tar, k\\x85)");
});
