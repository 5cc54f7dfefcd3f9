// What an S3 request's failure means, in words that name the bucket, the key and what to do, and whether it is worth
// another attempt.
import type { ErrorCode } from "../../error-codes.js";
import { ToolkitError } from "../../errors.js";
import { objectChanged } from "../remote/known-objects.js";
import { parseRetryAfter, TransientError } from "../remote/retry.js";
import type { S3Place } from "./url.js";

/** What the SDK's errors carry; a HEAD's have no name of use, because a HEAD has no body to contain it. */
interface ServiceError {
  readonly name?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
  /** The region that AuthorizationHeaderMalformed names. */
  readonly Region?: string;
}

export const statusOf = (error: unknown): number | undefined => (error as ServiceError).$metadata?.httpStatusCode;

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && (error as ServiceError).name !== "NoSuchBucket";
}

/** Whether a conditional write failed because the service does not know them. */
export function isNotImplemented(error: unknown): boolean {
  return statusOf(error) === 501;
}

/** A condition of a write was not met, or a rival's write was faster. */
export function isConditionFailed(error: unknown): boolean {
  return statusOf(error) === 412 || (error as ServiceError).name === "ConditionalRequestConflict";
}

const expired = /^(ExpiredToken|ExpiredTokenException|TokenRefreshRequired|RequestExpired|RequestTimeTooSkewed)$/;
const throttled =
  /^(SlowDown|Throttling|ThrottlingException|TooManyRequests|RequestLimitExceeded|ServiceUnavailable|BandwidthLimitExceeded)$/;
/** The server saw other bytes than we sent, or not all of them. */
const damagedUpload = /^(BadDigest|XAmzContentSHA256Mismatch|IncompleteBody|RequestTimeout|InvalidDigest)$/;

/** What was attempted, in words that begin a message. */
export type Doing = "cannot read it" | "cannot look at it" | "cannot list it" | "cannot write it" | "cannot remove it";

/**
 * What an error of the SDK is: a TransientError, a ToolkitError, or itself where it is neither the network's nor the
 * service's.
 */
export function explainS3Error(error: unknown, place: S3Place, doing: Doing): unknown {
  if (error instanceof ToolkitError || error instanceof TransientError) return error;
  const { name = "", message = "", $response } = error as ServiceError;
  const status = statusOf(error);
  if (/CredentialsProviderError|TokenProviderError/.test(name)) return noCredentials(error, place);
  if (status === undefined) return error;
  // The SDK's error carries what was signed and with which key: code that prints an error prints its cause.
  const cause = new Error(`${name} ${status} ${message}`.trim());
  const facts = { cause, retryAfterMs: parseRetryAfter($response?.headers?.["retry-after"]) };
  if (expired.test(name)) return new TransientError("credentials", `the service says ${name}`, facts);
  if (throttled.test(name) || status === 429 || status === 503)
    return new TransientError("throttled", `the service asks to slow down (${name || status})`, facts);
  if (damagedUpload.test(name)) return new TransientError("bad-answer", `the service says ${name}`, facts);
  if ((status >= 500 && status !== 501) || status === 408)
    return new TransientError("server-error", `the service failed (${name} ${status})`, facts);
  if (status === 412) return objectChanged(place.url);
  return refusal(cause, error as ServiceError, status, place, doing);
}

function refusal(
  cause: Error,
  error: ServiceError,
  status: number,
  { url, bucket, key }: S3Place,
  doing: Doing,
): ToolkitError {
  const { name = "", message = "" } = error;
  const fail = (code: ErrorCode, text: string) => new ToolkitError(code, text, { source: url, cause });
  if (name === "InvalidBucketName") return fail("UNSUPPORTED_URL", `${bucket} cannot be the name of a bucket`);
  if (name === "NoSuchBucket")
    return fail("NO_SUCH_BUCKET", `there is no bucket ${bucket}; check the name and the endpoint`);
  if (status === 404) return fail("NOT_FOUND", `bucket ${bucket} has no object ${key}`);
  const region = regionOf(error);
  if (
    status === 301 ||
    name === "PermanentRedirect" ||
    name === "AuthorizationHeaderMalformed" ||
    name === "IllegalLocationConstraintException"
  ) {
    const cure = region === undefined ? "give its region with `s3.region`" : `give \`s3.region\` ${region}`;
    return fail("WRONG_REGION", `bucket ${bucket} is in another region; ${cure}`);
  }
  if (
    name === "InvalidAccessKeyId" ||
    name === "SignatureDoesNotMatch" ||
    name === "InvalidToken" ||
    name === "InvalidSecurity"
  )
    return fail(
      "ACCESS_DENIED",
      `the service does not accept the credentials (${name}); check the access key and its secret, or the profile`,
    );
  if (
    (status === 401 || status === 403 || status === 405) &&
    (doing === "cannot write it" || doing === "cannot remove it")
  ) {
    const cure = "allow s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload there, or choose another destination";
    return fail("OUTPUT_NOT_WRITABLE", `bucket ${bucket} does not let these credentials change ${key}; ${cure}`);
  }
  if (status === 401 || status === 403) {
    const what = key === "" ? `bucket ${bucket}` : `${key} in bucket ${bucket}`;
    return fail(
      "ACCESS_DENIED",
      `access to ${what} is denied, or it does not exist and the bucket may not be listed; check the policy, or try \`s3.requesterPays\` or \`s3.anonymous\``,
    );
  }
  if (status === 416) return fail("IO_ERROR", "expected more bytes, found the end of the object");
  return fail("IO_ERROR", `the service says ${name || "error"} (status ${status})${message ? `: ${message}` : ""}`);
}

function regionOf({ Region, $response }: ServiceError): string | undefined {
  const found = Region ?? $response?.headers?.["x-amz-bucket-region"];
  return found === undefined || !/^[a-z0-9-]+$/.test(found) ? undefined : found;
}

function noCredentials(cause: unknown, { url }: S3Place): ToolkitError {
  const message =
    "no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give `s3.profile`, or `s3.anonymous` for public data";
  return new ToolkitError("NO_CREDENTIALS", message, { source: url, cause });
}
