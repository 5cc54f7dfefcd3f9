import assert from "node:assert/strict";
import { test } from "node:test";
import { asToolkitError, fromWire, ToolkitError, toWire } from "../src/errors.js";

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

test("what others throw becomes ours: addon codes are kept, system codes are not mistaken for ours", () => {
  assert.equal(asToolkitError(Object.assign(new Error("x"), { code: "CORRUPT_RECORD" })).code, "CORRUPT_RECORD");
  assert.equal(asToolkitError(Object.assign(new Error("x"), { code: "ENOENT" })).code, "INTERNAL");
  assert.equal(asToolkitError("text").message, "text");
});
