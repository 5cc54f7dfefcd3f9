// URLs as they may be shown and kept: one with a password, a token or a signature opens what it names to every reader
// of the log. A location that was given is parsed; text that may hold URLs is searched for them, and what cannot be
// parsed is left out.
import { createHash } from "node:crypto";

/** Stands for what may be a secret. */
const hidden = "***";

/**
 * Parameters of signatures (AWS, Google, CloudFront, Akamai), tokens: another value each time, so they identify
 * nothing.
 */
const passing =
  /^(x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id|hdne[at]s?|token|access_token|sig)$/i;
/**
 * Parameters of Azure's signatures, which are too short to mean that elsewhere: they count where there is a `sig` too.
 */
const azure = /^(s[evprstiks]|spr|srt|sip|sdd|skoid|sktid|skt|ske|skv|saoid|suoid|scid|ses|rsc[cdelt])$/i;

const shortHash = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 8);
/** A hash that an earlier pass has put there. */
const isHash = (text: string) => /^~[0-9a-f]{8}$/.test(text);
/** Whether a query is the hash that stands for one in a public form. */
export const isHashed = (search: string) => isHash(search.replace("?", ""));
const asHash = (text: string) => (isHash(text) ? text : `~${shortHash(text)}`);

/**
 * Their names hold what elsewhere begins a query, a fragment or a parameter: only what looks like `name=value` counts
 * there.
 */
const literalSchemes: readonly string[] = ["s3", "file"];
/** URL parsers take these with any number of slashes, of either kind. */
const lenientScheme = "https?|wss?|ftp|s3|gs";
const anyScheme = "[a-z][a-z0-9+.-]{1,30}";

const valueStart = new RegExp(`^(?:(${anyScheme}):(?=[\\\\/]{2})|(${lenientScheme}):(?=[^\\s]))`, "i");

/**
 * A path or a URL without user name, password, parameters and fragment; a hash stands for a query, and the parameters
 * of signatures are not part of it, so that the same object signed anew has the same form. What is not a URL, and a URL
 * without any of these, stays as it is, as does the result of an earlier call. The form is for people and for
 * comparing: it may not open what the URL did.
 */
export function publicUrl(location: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: URL parsers leave these out, wherever they are.
  const url = location.replace(/[\t\n\r]/g, "").replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, "");
  const start = valueStart.exec(url);
  if (start === null) return location;
  const form = formOf(url, start[1] ?? start[2] ?? "");
  return form === url ? location : form;
}

/** The public form of a value: `text` is a URL of this scheme and nothing else. */
function formOf(text: string, scheme: string): string {
  const unknown = `${scheme}://${hidden}`;
  const written = text.replaceAll("\\/", "/"); // as some write JSON
  const [, authority = "", rest = ""] = /^[^:]*:[\\/]*([^\\/?#]*)(.*)$/s.exec(written) ?? [];
  if (authority + rest === "") return text;
  // A bucket of a tenant, not a user and a password.
  if (/^s3$/i.test(scheme) && /^[\w.-]+:[\w.-]+$/.test(authority) && !decoded(rest).includes("@")) {
    const form = formOf(`${scheme}://bucket${rest}`, scheme);
    return form === `${scheme}://bucket${rest}` ? text : form.replace("bucket", authority);
  }
  const isFile = scheme.toLowerCase() === "file";
  const raw = isFile ? written : `${scheme}://${authority}${rest}`;
  if (raw.includes("\\") || !URL.canParse(raw)) return unknown;
  const url = new URL(raw);
  // A password with a slash in it makes a path of its rest.
  const path = rawPathOf(url, rest);
  const hasPort = /:\d*$/.test(authority);
  if ((hasPort && path.includes("@")) || /[@/\\;]/.test(decoded(url.host))) return unknown;
  const literal = literalSchemes.includes(scheme.toLowerCase());
  const tail = `${url.search}${url.hash}`;
  const shownPath = publicPath(path, literal);
  const keepsTail = tail === "" || (literal && !tail.includes("=")) || (url.hash === "" && isHash(url.search.slice(1)));
  if (url.username + url.password === "" && shownPath === path && keepsTail && !raw.endsWith("#")) return text;
  return `${url.protocol}//${url.host}${shownPath}${keepsTail ? tail : publicQuery(literal ? tail : url.search)}`;
}

/** The path as it was written, where that means the same. */
function rawPathOf(url: URL, rest: string): string {
  const written = rest.replace(/[?#].*$/s, "");
  const again = `${url.protocol}//${url.host}${written}`;
  return url.host !== "" && URL.canParse(again) && new URL(again).pathname === url.pathname ? written : url.pathname;
}

const innerUrl = new RegExp(`${anyScheme}:[\\\\/]|(?:${lenientScheme}):\\S`, "i");

/**
 * A URL, or a user name and password, that a path holds is hidden with all that follows, and so are the parameters of
 * its parts.
 */
function publicPath(path: string, literal: boolean): string {
  const plain = decoded(path);
  const holds = innerUrl.test(plain) || /:.*@/.test(plain) || (!literal && /[?#]/.test(plain));
  if (holds && (!literal || /[@=]/.test(plain))) return `/${asHash(path.replace(/^\//, ""))}`;
  const parameters = (_: string, text: string) => (literal && !text.includes("=") ? `;${text}` : `;${asHash(text)}`);
  return path.replace(/;([^/]+)/g, parameters);
}

function publicQuery(search: string): string {
  const parts = search.replace(/^[?#]/, "").split("&");
  const names = parts.map((part) => decoded(part.split("=")[0] ?? ""));
  const isAzure = names.includes("sig");
  const kept = parts.filter((part, i) => {
    const name = names[i] ?? "";
    return part !== "" && !passing.test(name) && !(isAzure && azure.test(name));
  });
  return kept.length === 0 ? "" : `?${asHash(kept.join("&"))}`;
}

/** Percent-encoding undone, as often as it was done; what is not valid stays. */
function decoded(text: string): string {
  let now = text;
  for (let i = 0; i < 8 && now.includes("%"); i++)
    now = now.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return now;
}

/** Where a URL begins in text: as it is, or percent-encoded, once or several times. */
const encodedColon = "%(?:25)*3a";
const textStart = new RegExp(
  `(?<![a-z])(?:(${anyScheme}):(?=[\\\\/]{2})|(${lenientScheme}):(?=[^\\s"'\`<>])|(${anyScheme})${encodedColon}(?=[\\\\/]|%(?:25)*(?:2f|5c))|(${lenientScheme})${encodedColon}(?=\\S))`,
  "gi",
);
/** Ends a URL among words. */
const delimiter = /[\s"'`<>]/;
const opening = /[\s"'`<>()[\]{}]/;
const openerOf: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/**
 * Text that may hold URLs, such as another program's message, with the public form of each. Where a URL with secrets
 * ends is not always certain: then more is left out rather than less. Applied to its own result it changes nothing.
 */
export function publicUrls(text: string): string {
  let shown = "";
  let at = 0;
  let afterUrl = false;
  for (;;) {
    textStart.lastIndex = at;
    const start = textStart.exec(text);
    const between = text.slice(at, start?.index);
    shown += afterUrl ? withoutTail(between) : withoutQuery(between);
    if (start === null) return shown;
    const found = urlAt(text, start);
    shown += found.shown;
    at = found.end;
    afterUrl = found.open;
  }
}

interface Found {
  readonly shown: string;
  readonly end: number;
  /** What follows may belong to it. */
  readonly open: boolean;
}

function urlAt(text: string, start: RegExpExecArray): Found {
  const { index } = start;
  const scheme = start.slice(1).find((name) => name !== undefined) ?? "";
  const limit = nextStart(text, index + start[0].length);
  const length = text.slice(index, limit).search(delimiter);
  const end = length < 0 ? limit : index + length;
  const token = withoutClosing(text.slice(index, end));
  const url = start[1] === undefined && start[2] === undefined ? decoded(token) : token;
  const form = formOf(url, scheme);
  const location = decoded(url.slice(scheme.length + 1));
  const holdsMore = form !== url && (/[?#;]/.test(location) || innerUrl.test(location));
  const rest = text.slice(end, limit);
  const literal = literalSchemes.includes(scheme.toLowerCase());
  if (decoded(rest).includes("@") && (form.endsWith(hidden) || mayBeUser(url))) {
    // A space or a quote in a password: all that comes before the host belongs to it.
    const last = end + Math.max(0, rest.lastIndexOf("@"));
    const after = rest.includes("@") ? text.slice(last, limit).search(delimiter) : -1;
    const all = after < 0 || /[?#;]/.test(text.slice(index, last + after));
    return { shown: `${scheme}://${hidden}`, end: all ? limit : last + after, open: true };
  }
  if (form === url) {
    // `~` is the hash of an earlier pass, after which nothing of the URL follows.
    const done = /\?~[0-9a-f]{8}$/.test(url);
    const tail = !literal && !done && text.slice(index + token.length, end).startsWith("?");
    return { shown: form, end: tail ? limit : index + token.length, open: !literal && !done };
  }
  if (!holdsMore) return { shown: form, end: index + token.length, open: !literal };
  return { shown: form, end: closingQuote(text, index, limit) ?? limit, open: false };
}

/** The token without the punctuation at its end; a bracket belongs to the URL if the URL opens it. */
function withoutClosing(token: string): string {
  let end = token.length;
  for (; end > 0; end--) {
    const last = token[end - 1] ?? "";
    const opener = openerOf[last];
    const closes = opener === undefined ? /[,.;:!\\]/.test(last) : !token.slice(0, end - 1).includes(opener);
    if (!closes) break;
  }
  return token.slice(0, end);
}

/** Where another URL begins among words; inside a URL it belongs to that. */
function nextStart(text: string, from: number): number {
  textStart.lastIndex = from;
  for (let next = textStart.exec(text); next !== null; next = textStart.exec(text))
    if (opening.test(text[next.index - 1] ?? "")) return next.index - 1;
  return text.length;
}

/** A URL without a path, or with what may be a port or a password: an @ that follows may end a user name. */
const mayBeUser = (url: string) => /^[^:]*:[\\/]*([^\\/?#@]*$|[^\\/?#@]*:)/.test(url);

/** The end of a URL in quotes, where there can be no doubt. */
function closingQuote(text: string, index: number, limit: number): number | undefined {
  const quote = text[index - 1] ?? "";
  if (!/["'`]/.test(quote)) return undefined;
  const first = text.indexOf(quote, index);
  return first >= 0 && first < limit && text.indexOf(quote, first + 1) < 0 ? first : undefined;
}

/** After a URL, which may continue behind a space: not its query, parameters or fragment. */
const withoutTail = (text: string) =>
  text.replace(/[?#;]\S[\s\S]*?(?=[\s"'`<>()[\]{}]*$)/, (tail) => `?${asHash(tail.slice(1))}`);

/** Text outside of URLs: a query alone, and a URL that leaves its scheme to the reader. */
const withoutQuery = (text: string) =>
  text
    .replace(/(?<![\w:\\/])\/\/[^\s/\\?#"'<>]*@/g, "//")
    .replace(/\?([^\s?&=<>]+=\S*)/g, (_, query: string) => publicQuery(query));
