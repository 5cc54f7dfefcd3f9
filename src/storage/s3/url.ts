// s3://bucket/key taken apart. Keys are literal: nothing in them is decoded.
import { ToolkitError } from "../../errors.js";

export interface S3Place {
  readonly url: string;
  readonly bucket: string;
  /** Empty for the bucket itself. */
  readonly key: string;
}

/** Goes into every request: who pays for it, when that is not the bucket's owner. */
export interface Payer {
  readonly RequestPayer?: "requester";
}

/**
 * Parses an S3 URL. Throws UNSUPPORTED_URL when there is no bucket in it, or when there is a secret: it does not belong
 * there, and keys are shown as they are.
 */
export function parseS3Url(url: string): S3Place {
  const [, bucket, key = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/is.exec(url) ?? [];
  if (bucket?.includes("@") || (bucket?.includes(":") && key.includes("@"))) {
    const cure = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give `s3.profile`";
    throw new ToolkitError("UNSUPPORTED_URL", `an s3:// URL has no credentials in it; ${cure}`, { source: url });
  }
  if (/[?&]X-Amz-(Signature|Credential)=/i.test(key))
    throw new ToolkitError("UNSUPPORTED_URL", "an s3:// URL has no signature; give the signed https:// URL", {
      source: url,
    });
  if (bucket !== undefined) return { url, bucket, key };
  throw new ToolkitError("UNSUPPORTED_URL", "expected s3://bucket/key", { source: url });
}

/** What the keys of everything below a folder begin with. */
export function folderPrefix(key: string): string {
  return key === "" ? "" : `${key.replace(/\/+$/, "")}/`;
}

/**
 * A key as a list of EncodingType "url" has it; undefined when it is not UTF-8. Some services write a space as "+", all
 * write "+" as "%2B".
 */
export function textOfKey(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded.replace(/\+/g, " "));
  } catch {
    return undefined; // it throws for nothing else
  }
}
