// JSON as data sets have it: Python's, which writes NaN and Infinity; and where a text stops being JSON, which V8 does
// not report.

/**
 * The value, or where in the text, in bytes, it is not JSON. Python's NaN and Infinity, which JSON does not have, are
 * null.
 */
export type JsonResult = { readonly value: unknown } | { readonly faultAt: number };

export function parseJsonText(text: string): JsonResult {
  for (const candidate of [text, withoutNonFinite(text)])
    try {
      return { value: JSON.parse(candidate) as unknown };
    } catch {
      // Looked at below, where its fault is found.
    }
  return { faultAt: Buffer.byteLength(text.slice(0, findFault(text))) };
}

function withoutNonFinite(text: string): string {
  const quoteOrNumber = /"|-?(?:NaN|Infinity)/g;
  let finite = "";
  let copied = 0;
  for (let match = quoteOrNumber.exec(text); match !== null; match = quoteOrNumber.exec(text)) {
    if (match[0] === '"') {
      quoteOrNumber.lastIndex = scanString(text, match.index).end; // what stands in a string is passed over
      continue;
    }
    finite += `${text.slice(copied, match.index)}null`;
    copied = quoteOrNumber.lastIndex;
  }
  return finite + text.slice(copied);
}

/**
 * Where the string that begins at `start` ends, or the character that no JSON string could have there. One look at each
 * character.
 */
function scanString(text: string, start: number): { readonly end: number; readonly isWhole: boolean } {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON allows none of them in a string.
  const special = /["\\\u0000-\u001f]/g;
  const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
  special.lastIndex = start + 1;
  for (let match = special.exec(text); match !== null; match = special.exec(text)) {
    if (match[0] === '"') return { end: match.index + 1, isWhole: true };
    escaped.lastIndex = match.index;
    if (!escaped.test(text)) return { end: match.index, isWhole: false };
    special.lastIndex = escaped.lastIndex;
  }
  return { end: text.length, isWhole: false };
}

const space = /[ \t\n\r]*/y;
const scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|-?(?:NaN|Infinity)/y;

/** What may come next. */
type Expected = "value" | "value or ]" | "key" | "key or }" | ":" | ", or end";

/**
 * The index of the first character that no JSON could have there. Nesting takes memory of the heap, not of the stack.
 */
function findFault(text: string): number {
  const open: string[] = [];
  let expected = "value" as Expected; // not only what it begins with
  for (let at = 0; ; ) {
    at = after(space, text, at) ?? at;
    const next = text[at];
    if (next === undefined) return at;
    const closes = open.at(-1) === "{" ? "}" : "]";
    const mayClose =
      expected === ", or end" ? open.length > 0 : expected === (closes === "}" ? "key or }" : "value or ]");
    if (mayClose && next === closes) {
      open.pop();
      expected = ", or end";
      at++;
    } else if (expected === ", or end") {
      if (next !== "," || open.length === 0) return at;
      expected = closes === "}" ? "key" : "value";
      at++;
    } else if (expected === ":") {
      if (next !== ":") return at;
      expected = "value";
      at++;
    } else if (next === '"') {
      const { end, isWhole } = scanString(text, at);
      if (!isWhole) return end;
      expected = expected === "key" || expected === "key or }" ? ":" : ", or end";
      at = end;
    } else if (expected === "key" || expected === "key or }") {
      return at;
    } else if (next === "{" || next === "[") {
      open.push(next);
      expected = next === "{" ? "key or }" : "value or ]";
      at++;
    } else {
      const end = after(scalar, text, at);
      if (end === undefined) return at;
      expected = ", or end";
      at = end;
    }
  }
}

/** Where a match of the sticky `pattern` at `at` ends; undefined when there is none. */
function after(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
