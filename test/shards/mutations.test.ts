import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "../support/files.js";
import { runMutations } from "../support/run-mutations.js";

test("60 data sets with something in them that is not so are read rightly, or refused for what is wrong with them", async (t) => {
  const outcomes = await runMutations(temporaryFolder(t), 60, 7);
  assert.ok(Object.keys(outcomes).length > 10, JSON.stringify(outcomes));
});
