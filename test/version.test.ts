import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { version } from "../src/version.js";
import { projectRoot } from "./support/files.js";

test("the version in the code is the package's", () => {
  const { version: published } = JSON.parse(readFileSync(path.join(projectRoot, "package.json"), "utf8")) as {
    version: string;
  };
  assert.equal(version, published);
});
