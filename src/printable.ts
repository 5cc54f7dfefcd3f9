// Text from outside (class names, keys, file names, messages of other programs) as a terminal may show it: nothing in
// it moves the cursor, sets a colour, reverses the line or begins a new one.

/**
 * Controls of both tables (C0, DEL, C1), the line and paragraph separators, the marks, embeddings, overrides and
 * isolates of bidirectional text, invisible characters that break or join nothing, tags, and halves of surrogate pairs.
 */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
  /[\u0000-\u001f\u007f-\u009f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Cs}]/gu;

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  return (
    short[character] ??
    (code < 0x100 ? `\\x${hex.padStart(2, "0")}` : code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`)
  );
}

/**
 * A name or a message on one line: what a terminal would obey is written as in a string literal (`\x1b`, `\n`,
 * `\u202e`).
 */
export function printable(text: string): string {
  return text.replace(unprintable, escaped);
}

/**
 * One line of JSON that means the same and can be shown on a terminal: JSON itself escapes only the first of the
 * controls.
 */
export function printableJson(value: unknown, replacer?: (name: string, value: unknown) => unknown): string {
  const units = (text: string) =>
    text.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return JSON.stringify(value, replacer).replace(unprintable, (character) => units(character).join(""));
}

/**
 * Text of several lines, as `printable`, with its line feeds as they are: for text that the toolkit itself broke into
 * lines.
 */
export function printableLines(text: string): string {
  return text.replace(unprintable, (character) => (character === "\n" ? character : escaped(character)));
}
