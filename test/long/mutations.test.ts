import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "../support/files.js";
import { runMutations } from "../support/run-mutations.js";

test("2,000 data sets with something in them that is not so: no crash, no hang, no answer above 500 MB", async (t) => {
  const seed = Number(process.env.DCTSTREAM_MUTATION_SEED ?? 1);
  const outcomes = await runMutations(temporaryFolder(t), 2000, seed);
  t.diagnostic(JSON.stringify(outcomes));
  assert.ok((outcomes["verify: ok"] ?? 0) < 1000, "most changes are found");
});
