// Which keys a data set may hold: those that are a relative path of plain components, so that code which makes a file,
// an archive member or a URL of one stays where it should. What to do about another is left to the caller.

/** The longest key in bytes of UTF-8: as long as an S3 object's may be. */
const maxKeyBytes = 1024;

/** The longest component in bytes of UTF-8: as long as a file's name may be. */
const maxComponentBytes = 255;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

/** A component of dots, also one before a backslash, which separates components on Windows. */
const dotComponent = /(?:^|[/\\])(\.{1,2})(?:[/\\]|$)/;

/** One look at a key that holds nothing to think about: letters, digits, and single separators between them. */
const plain = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/;

/** Why a sample may not have this key, in words to follow "a key that"; undefined when it may. */
export function keyProblem(key: string): string | undefined {
  if (key.length <= maxComponentBytes && plain.test(key)) return undefined;
  if (key === "") return "is empty";
  if (controlCharacter.test(key)) return "holds a control character";
  if (/\p{Surrogate}/u.test(key)) return "is not Unicode text";
  if (/^[/\\]/.test(key)) return "begins with a slash";
  if (/^[a-z]:(?:[/\\]|$)/i.test(key)) return "begins with a drive";
  if (key.includes("//") || key.endsWith("/")) return "has an empty component";
  const dots = dotComponent.exec(key)?.[1];
  if (dots !== undefined) return `has a component ${dots}`;
  if (Buffer.byteLength(key) > maxKeyBytes) return `is longer than ${maxKeyBytes} bytes`;
  if (key.split("/").some((component) => Buffer.byteLength(component) > maxComponentBytes))
    return `has a component of more than ${maxComponentBytes} bytes`;
  return undefined;
}
