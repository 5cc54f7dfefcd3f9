import assert from "node:assert/strict";
import { test } from "node:test";
import { parseS3Url, textOfKey } from "../../src/storage/s3/url.js";
import { rejectsWith } from "../support/errors.js";

const place = async (url: string) => parseS3Url(url);

test("credentials and signatures in an s3:// URL are refused, and not shown", async () => {
  for (const url of [
    "s3://AKIA:S3cr3t@bucket/key",
    "s3://AKIA:S3/cr3t@bucket/key",
    "s3://S3cr3t@bucket",
    "s3://bucket/key?X-Amz-Credential=AKIA&X-Amz-Signature=S3cr3t",
  ])
    await assert.rejects(place(url), (error: Error) => {
      assert.match(
        error.message,
        /an s3:\/\/ URL has no (credentials in it; set AWS_|signature; give the signed https)/,
      );
      assert.doesNotMatch(JSON.stringify(error), /S3|cr3t/);
      return true;
    });
  await rejectsWith("UNSUPPORTED_URL", () => place("s3:///key"));
});

test("keys of a list are text, or none where they are not UTF-8", () => {
  assert.equal(textOfKey("a+b%2Bc%20d%2F%C3%A9%25.jpg"), "a b+c d/é%.jpg");
  for (const key of ["caf%E9.jpg", "%", "%zz", "%C3"]) assert.equal(textOfKey(key), undefined);
});

test("the bucket of a tenant and signs in keys are names", async () => {
  assert.deepEqual(await place("s3://tenant:bucket/a"), {
    url: "s3://tenant:bucket/a",
    bucket: "tenant:bucket",
    key: "a",
  });
  const url = "s3://bucket/a b+c%20d?e#f@g:h/";
  assert.deepEqual(await place(url), { url, bucket: "bucket", key: "a b+c%20d?e#f@g:h/" });
});
