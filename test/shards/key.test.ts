import assert from "node:assert/strict";
import { test } from "node:test";
import { keyProblem } from "../../src/shards/key.js";

test("a key is a relative path of plain components", () => {
  const long = "x".repeat(255);
  const good = ["a", "n01440764/n01440764_18", "a.b/c d", "éclair/猫", ".hidden", "a..b", "...", "a\\b", "x:y", long];
  for (const key of [...good, `${long}/${long}/${long}`]) assert.equal(keyProblem(key), undefined, key);
});

test("any other key is refused, by what is wrong with it", () => {
  const bad: [key: string, problem: RegExp][] = [
    ["", /empty/],
    ["../a", /component \.\./],
    ["a/../b", /component \.\./],
    ["a/..", /component \.\./],
    ["..\\a", /component \.\./],
    ["a\\..\\b", /component \.\./],
    [".", /component \./],
    ["./a", /component \./],
    ["a/./b", /component \./],
    ["/a", /begins with a slash/],
    ["\\\\server\\a", /begins with a slash/],
    ["C:\\a", /drive/],
    ["c:/a", /drive/],
    ["a//b", /empty component/],
    ["a/", /empty component/],
    ["a\0b", /control character/],
    ["a\nb", /control character/],
    ["a\u001b[2J", /control character/],
    ["a\u009b2J", /control character/],
    ["a\ud800", /Unicode/],
    ["x".repeat(256), /255 bytes/],
    ["é".repeat(128), /255 bytes/],
    ["x/".repeat(512).concat("x"), /1024 bytes/],
  ];
  for (const [key, problem] of bad) assert.match(keyProblem(key) ?? "", problem, JSON.stringify(key));
});
