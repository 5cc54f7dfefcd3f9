import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
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
  assert.equal(codeOf("ENOMEM", "read"), "OUT_OF_MEMORY");
  const { code, message, source } = systemError("cannot write there", "create", "out", new Error("x", {}));
  assert.deepEqual([code, message, source], ["INTERNAL", "x", "out"], "what is no error of the system stays a defect");
});
