import assert from "node:assert/strict";
import { test } from "node:test";
import { commandsIn, documentedCommands, formOf } from "../support/documented-commands.js";

test("commands are found in shell blocks, behind prompts and in the text", () => {
  const text = [
    "Run `npx dctstream verify shards` or `node x.js [a\\|b]`; `dctstream preprocess` is a name.",
    "```sh",
    "node a.js  # a remark",
    "npx b \\",
    "    --more",
    "```",
    "```",
    "$ npm run c",
    "its output",
    "```",
  ].join("\n");
  assert.deepEqual(commandsIn(text), [
    "node a.js",
    "npx b --more",
    "npm run c",
    "npx dctstream verify shards",
    "node x.js [a|b]",
  ]);
});

test("every command that the documents show has a form that npm run test:long runs, or a reason why it has none", () => {
  const commands = documentedCommands();
  assert.ok(commands.length > 40, `${commands.length} commands`);
  const without = commands.filter(({ text }) => formOf(text) === undefined);
  assert.deepEqual(without, [], "add a rule to test/support/documented-commands.ts");
  const forms = commands.map(({ text }) => formOf(text));
  assert.ok(forms.filter((form) => form !== undefined && "run" in form).length > 30);
});
