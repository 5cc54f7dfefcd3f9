import assert from "node:assert/strict";
import { test } from "node:test";
import { printable, printableJson, printableLines } from "../src/printable.js";

const wide = "\u{e0041}";
const cases: readonly (readonly [string, string])[] = [
  ["plain é 日本 🐟 \\ \u0301", "plain é 日本 🐟 \\ \u0301"],
  ["\u001b[31mred\u0007", "\\x1b[31mred\\x07"],
  ["a\nb\rc\td\0", "a\\nb\\rc\\td\\x00"],
  ["del\u007f nel\u0085 csi\u009b2J", "del\\x7f nel\\x85 csi\\x9b2J"],
  ["\u202egpj.exe\u2066\u200f\u061c", "\\u202egpj.exe\\u2066\\u200f\\u061c"],
  ["\u2028\u2029\ufeff\u200b", "\\u2028\\u2029\\ufeff\\u200b"],
  [`tag${wide}`, "tag\\u{e0041}"],
  ["half \ud83d and \udc1f", "half \\ud83d and \\udc1f"],
  ["emoji \u{1f468}\u200d\u{1f469}", "emoji \u{1f468}\u200d\u{1f469}"],
];

test("what a terminal would obey is written out, everything else stays", () => {
  for (const [text, expected] of cases) {
    assert.equal(printable(text), expected);
    assert.equal(printable(expected), expected, "a second time changes nothing");
  }
});

test("no control character of either table comes through", () => {
  for (let code = 0; code < 0xa0; code++) {
    const shown = printable(String.fromCharCode(code));
    assert.equal(shown.length === 1, code >= 0x20 && code < 0x7f, `U+${code.toString(16)}: ${JSON.stringify(shown)}`);
  }
});

test("text of several lines keeps its line feeds and nothing else", () => {
  assert.equal(printableLines("a\nb\r\u001b\u2028"), "a\nb\\r\\x1b\\u2028");
});

test("a line of JSON says the same and holds nothing that a terminal obeys", () => {
  const value = { "k\u009b": ["\u001b[31m\u007f\u0085\u202e\u2028", wide, "half \ud83d", "é 日本 🐟"] };
  const line = printableJson(value);
  assert.deepEqual(JSON.parse(line), value);
  assert.equal(printableLines(line), line);
  assert.ok(line.includes("é 日本 🐟"));
});
