// JSON documents of ours (manifest, sidecar, checkpoint): text -> checked value, with an error that names where and
// what.
import type { z } from "zod";
import type { ErrorCode } from "../error-codes.js";
import { ToolkitError } from "../errors.js";

/** Throws `code` when the text is not JSON. */
export function parseJson(text: string, source: string, code: ErrorCode): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ToolkitError(code, `not JSON: ${(cause as Error).message}`, { source, cause });
  }
}

/** `code`, naming the first field that is off, when the value is not of the schema. */
export function checkDocument<T>(schema: z.ZodType<T>, value: unknown, source: string, code: ErrorCode): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ToolkitError(code, `${issue?.path.join(".") || "document"}: ${issue?.message ?? "invalid"}`, { source });
}
