import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJsonText } from "../../src/pipeline/preprocess/json-text.js";

test("Python's NaN and Infinity are read as null, and left alone in strings", () => {
  const text = '{"score":NaN,"most":[-Infinity, Infinity],"note":"NaN \\" Infinity","label":3}';
  assert.deepEqual(parseJsonText(text), {
    value: { score: null, most: [null, null], note: 'NaN " Infinity', label: 3 },
  });
});

test("what is not JSON is so from a byte on", () => {
  const faults: [text: string, faultAt: number][] = [
    ["", 0],
    ["hello", 0],
    ["{", 1],
    ['{"a"}', 4],
    ['{"a":}', 5],
    ['{"a":1,}', 7],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["{'a':1}", 1],
    ['{"é":x}', 6],
    ['{"a":1} x', 8],
    ['"open', 5],
    ['"a\nb"', 2],
    ['"\\x"', 1],
    ["01", 1],
    ["[1}", 2],
    ["]", 0],
  ];
  for (const [text, faultAt] of faults) assert.deepEqual(parseJsonText(text), { faultAt }, text);
});

test("depth and length take no stack and no time", () => {
  const deep = 1_000_000;
  assert.deepEqual(parseJsonText("[".repeat(deep)), { faultAt: deep });
  const quotes = `"${'\\"'.repeat(deep)}`;
  assert.deepEqual(parseJsonText(quotes), { faultAt: quotes.length });
});
