import assert from "node:assert/strict";
import { test } from "node:test";
import { publicUrl, publicUrls } from "../src/public-url.js";
import { randomFor } from "../src/shards/random.js";

const secret = "S3cr3tW0rd";
const percentEncoded = [...secret].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");
const spellings = [
  secret,
  percentEncoded,
  percentEncoded.replaceAll("%", "%25"),
  Buffer.from(secret).toString("base64"),
];

function assertHidden(shown: string, from: string): void {
  for (const spelling of spellings)
    assert.ok(!shown.toLowerCase().includes(spelling.toLowerCase()), `${JSON.stringify(from)}\nis shown as\n${shown}`);
}

const schemes = ["http", "https", "HTTPS", "hTTp", "ftp", "wss", "s3", "S3", "gs", "azblob", "git+https"];
const slashes = ["://", "://", "://", ":/", ":", ":\\\\", ":\\/\\/", ":///"];
const users = [
  "",
  "bob:SECRET@",
  "SECRET@",
  ":SECRET@",
  "bob:p@SECRET@",
  "bob:p/SECRET@",
  "bob:80/SECRET@",
  "bob:p?SECRET@",
  "bob:p#SECRET@",
  "bob:p;SECRET@",
  "bob:p%40SECRET@",
  "bob:p SECRET@",
  "bob:SECRET @",
  'bob:p"SECRET@',
  "bob:p'SECRET@",
  "bob:p\tSECRET@",
  "bob:p\nSECRET@",
  "bob:p\\SECRET@",
  "bob:p:SECRET@",
  "b@b:SECRET@",
  "bob:a://SECRET@",
  "bob%3ASECRET%40",
];
const hosts = ["host", "HOST.example:8443", "127.0.0.1", "[::1]", "[2001:db8::1]:8080", "bücher.example", "host."];
const paths = ["", "/", "/a/b.tar", "/@scope/x.tar", "/%41/b-{000..146}.tar", "/a//b", "/a/../b.tar", "/a+b=c.tar"];
const tails = [
  "",
  "?k=SECRET",
  "?SECRET=1",
  "?SECRET",
  "?a[b]=SECRET",
  "?a=1&b=2&X-Amz-Signature=SECRET&X-Amz-Credential=SECRET%2F2024",
  "?X-Goog-Signature=SECRET&X-Goog-Expires=60",
  "?sv=2024-01-01&sp=r&sig=SECRET%3D",
  "?%74oken=SECRET",
  "?x=1?token=SECRET",
  '?a="SECRET',
  "?a='SECRET'",
  "?a=b SECRET",
  "?a=b\tSECRET",
  "?k=SECRET<b>",
  "?a=b#SECRET",
  "#access_token=SECRET",
  ";sig=SECRET",
  "/x;jsessionid=SECRET/y.tar",
  "?next=https://u:SECRET@other/x",
  "?next=https%3A%2F%2Fu%3ASECRET%40other%2Fx",
  "/https://u:SECRET@other/x",
  "/https%3A%2F%2Fu%3ASECRET%40other%2Fx",
  "/https%253A%252F%252Fu%253ASECRET%2540other",
];
/** Where a URL stands in text. */
const contexts: readonly ((url: string) => string)[] = [
  (url) => url,
  (url) => `cannot read ${url}`,
  (url) => `cannot read ${url}: status 403 (tried 4 times)`,
  (url) => `"${url}"`,
  (url) => `found '${url}', expected another`,
  (url) => `(${url})`,
  (url) => `<${url}>`,
  (url) => `[${url}].`,
  (url) => `\`${url}\``,
  (url) => `${url}, ${url} and https://other/plain.tar`,
  (url) => `https://other/plain.tar, then ${url}`,
  (url) => JSON.stringify({ message: "x", url, last: true }),
  (url) => JSON.stringify(JSON.stringify({ url })),
  (url) => JSON.stringify({ url }).replaceAll("/", "\\/"),
  (url) => encodeURIComponent(url),
  (url) => `see ${encodeURIComponent(encodeURIComponent(url))} there`,
  (url) => `https://proxy/fetch?url=${encodeURIComponent(url)}`,
  (url) => `https://proxy/${encodeURIComponent(url)}`,
  (url) => `https://proxy/${url}`,
  (url) => `--val=${url}`,
  (url) => `settings: manifest=${JSON.stringify(url)} val=${JSON.stringify(url)} lr=0.1`,
  (url) => `Error: x\n    at ${url}\n    at file:///a/b.js:3:4`,
  (url) => `1${url}`,
  (url) => `  ${url}  `,
];

const random = randomFor(1, "urls");
const pick = <T>(list: readonly T[]) => list[random.below(list.length)] as T;

/** A URL with a secret somewhere, in a spelling of it. */
function secretUrl(): string {
  for (;;) {
    const [scheme, slash] = [pick(schemes), pick(slashes)];
    if (/^(azblob|git)/.test(scheme) && !/:(\\?[\\/]){2}/.test(slash)) continue; // with fewer it is a word and a colon
    const tail = pick(tails);
    const url = scheme + slash + pick(users) + pick(hosts) + pick(paths) + tail;
    // In the names of objects in S3 these signs mean nothing by themselves.
    if (/^s3$/i.test(scheme) && tail.startsWith("?") && !tail.includes("=")) continue;
    if (url.includes("SECRET")) return url.replaceAll("SECRET", random.below(5) === 0 ? percentEncoded : secret);
  }
}

test("no secret of a URL is in its public form, whatever the URL looks like", () => {
  for (let i = 0; i < 10_000; i++) {
    const url = secretUrl();
    assertHidden(publicUrl(url), url);
    assert.equal(publicUrl(publicUrl(url)), publicUrl(url), "a second time changes nothing");
  }
});

test("no secret of a URL is left in text that holds it, wherever it stands", () => {
  for (let i = 0; i < 20_000; i++) {
    const text = pick(contexts)(secretUrl());
    assertHidden(publicUrls(text), text);
    assert.equal(publicUrls(publicUrls(text)), publicUrls(text), `twice: ${text}`);
  }
});

test("a URL without secrets stays as it was written, and so does text around it", () => {
  for (const text of [
    "cannot read https://host/a.tar: status 403 (tried 4 times)",
    "no object matches s3://bucket/train-?.tar (from s3://bucket/{train,val}-?.tar)",
    "expected a path or a URL of file://, s3://, http://, https://, found gopher://",
    "allow s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload there",
    "    at async file:///work/dist/tools/dctstream.js:170:24",
    'settings: manifest="http://127.0.0.1:1/train" out="/tmp/x" frequencies={"y":[0]} lr=0.1',
    "it was made from https://h/x.tar?~12345678, which has changed; choose another --out",
    "metrics are at http://[::1]:9400/metrics",
    "https://HOST:443/a b/{000..146}.tar",
    "https://host/npm/@scope/x@1.0.tar",
    "s3://bucket/a#1;2?.tar",
    "s3://tenant:bucket/a.tar",
    "s3://crawl/http://example.com/a.jpg",
    "12:30:11 key: value, C:\\a\\b, a?b&c",
  ]) {
    assert.equal(publicUrls(text), text);
    assert.equal(publicUrl(text), text);
  }
});

test("what is left of a URL names the same place, and tells two of them apart", () => {
  const shown = publicUrls("see https://bob:pw@host:1/a, s3://key:secret@bucket/k and ftp://u:p@h/");
  assert.equal(shown, "see https://host:1/a, s3://bucket/k and ftp://h/");
  assert.match(publicUrl("https://bob:pw@host/a?id=7&Signature=s#f"), /^https:\/\/host\/a\?~[0-9a-f]{8}$/);
  assert.notEqual(publicUrl("https://h/a?id=7"), publicUrl("https://h/a?id=8"));
  assert.notEqual(publicUrl("https://h/a?id=7"), publicUrl("https://h/a"));
  assert.notEqual(publicUrl("https://h/a;v=1/x"), publicUrl("https://h/a;v=2/x"));
});

test("the same object signed anew has the same form", () => {
  for (const signed of [
    (value: number) => `https://h/a?X-Amz-Signature=${value}&X-Amz-Credential=${value}&X-Amz-Expires=60`,
    (value: number) => `https://h/a?X-Goog-Signature=${value}&GoogleAccessId=${value}`,
    (value: number) => `https://h/a?Expires=${value}&Signature=${value}&Key-Pair-Id=${value}`,
    (value: number) => `https://h/a?sv=2024&spr=https&se=${value}&sr=c&sp=r&sig=${value}%3D`,
    (value: number) => `https://u${value}:p${value}@h/a?token=${value}`,
    (value: number) => `https://h/a?X%2DAmz%2dSignature=${value}`,
  ])
    assert.deepEqual([publicUrl(signed(1)), publicUrl(signed(2))], ["https://h/a", "https://h/a"]);
  assert.equal(publicUrl("https://h/a?v=2&sig=1"), publicUrl("https://h/a?v=2&sig=2"));
  assert.notEqual(publicUrl("https://h/a?se=1"), publicUrl("https://h/a?se=2"), "a signature is what makes it Azure's");
});

test("where a URL ends among words is not guessed: what may be of it is left out", () => {
  for (const [text, expected] of [
    ["GET https://host/x?sig=a b failed", "GET https://host/x"],
    ["found 'https://host/x?sig=a', expected another", "found 'https://host/x', expected another"],
    ["https://user:pass word@host/x failed", "https://*** failed"],
    ["https://user:p/a@host/x failed", "https://*** failed"],
    ["GET /x.tar?X-Amz-Signature=abc failed", "GET /x.tar failed"],
    ["//bob:pw@host/x", "//host/x"],
  ] as const)
    assert.equal(publicUrls(text), expected);
});
