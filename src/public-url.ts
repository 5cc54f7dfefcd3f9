// URLs as they may be shown and kept: a signed or password-bearing one opens what it names to whoever reads the log.
import { createHash } from "node:crypto";

/** Parameters of signed URLs (AWS, Google, CloudFront, Azure): another value each time, and worth something until they expire. */
const signature =
  /^(x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id|sig|se|sp|sv|sr|st|spr|skoid|sktid|skt|ske|sks|skv)$/i;

const shortHash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 8);

function publicQuery(query: string): string {
  const kept = query.split("&").flatMap((part) => {
    const [name = "", ...value] = part.split("=");
    if (part === "" || signature.test(name)) return [];
    // Any value may be a secret, and two URLs that differ in one are two sources: a hash serves both.
    return [value.length === 0 ? name : `${name}=~${shortHash(value.join("="))}`];
  });
  return kept.length === 0 ? "" : `?${kept.join("&")}`;
}

/**
 * Every http(s) URL in `text` without user name, password and fragment, and with hashes for the values of its query; the parameters of
 * signatures are left out. Applied to its own result it changes nothing more in what it left out.
 */
export function publicUrls(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(
    /(https?:\/\/)(?:[^/\s?#@]*@)?([^\s?#"'<>]*)(\?[^\s#"'<>]*)?(#[^\s"'<>]*)?/gi,
    (_, scheme: string, place: string, query = "") => scheme + place + publicQuery(query.slice(1)),
  );
}
