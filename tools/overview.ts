// What --help of the program itself prints. The parser of options is not loaded for it: that takes longer than all
// else.
import type { CommandEntry, CommandGroup } from "./command.js";

const columns = 120;

/** Words in lines of at most `width` columns; one that is longer has a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function inTwoColumns(rows: readonly (readonly [string, string])[]): string[] {
  const width = 4 + Math.max(...rows.map(([name]) => name.length));
  return rows.flatMap(([name, text]) =>
    wrap(text, columns - width).map((line, i) => `${(i === 0 ? `  ${name}` : "").padEnd(width)}${line}`),
  );
}

export function overview(commands: readonly (CommandEntry | CommandGroup)[]): string {
  const options = [
    ["-h, --help", "Show help, after a command its options"],
    ["--version", "Show the version number"],
  ] as const;
  return [
    "dctstream <command> [options]",
    "",
    "Train image networks straight from JPEG.",
    "",
    "Commands:",
    ...inTwoColumns(commands.map(({ usage, describe }) => [`dctstream ${usage}`, describe] as const)),
    "",
    "Options:",
    ...inTwoColumns(options),
  ].join("\n");
}
