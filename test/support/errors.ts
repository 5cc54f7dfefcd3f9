import assert from "node:assert/strict";
import type { ErrorCode } from "../../src/error-codes.js";
import { asToolkitError } from "../../src/errors.js";

/** Asserts that `fails` throws or rejects with that code and, where given, a message that matches. */
export async function rejectsWith(code: ErrorCode, fails: () => unknown, message?: RegExp): Promise<void> {
  await assert.rejects(
    async () => fails(),
    (error) => {
      const found = asToolkitError(error);
      assert.equal(found.code, code, found.describe());
      if (message !== undefined) assert.match(found.describe(), message);
      return true;
    },
  );
}
