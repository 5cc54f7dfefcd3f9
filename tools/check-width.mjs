// Refuses prose that is wider than 120 columns, in Markdown and in comments: a change to it should show as the lines it
// touches. Code is left to the formatters, which wrap C++ comments too; tables and code in Markdown, and single words
// such as URLs, may be wider.
//
//   node tools/check-width.mjs
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const width = 120;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const folders = ["src", "tools", "test", "bench", "examples", "docs", "deploy"];
const names = [".", ...folders].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: folder !== "." }).map((name) => path.join(folder, name)),
);

/** Lines of prose, with their numbers. */
function* proseOf(name, text) {
  let inCode = false;
  for (const [i, line] of text.split("\n").entries()) {
    if (name.endsWith(".md")) {
      if (/^\s*```/.test(line)) inCode = !inCode;
      else if (!inCode && !/^(\||!\[| {4})/.test(line)) yield [i + 1, line];
    } else {
      const comment = name.endsWith(".py") ? /(^|\s)# / : /^\s*(\/\/|\/?\*)|\s\/\/ [^"'`]*$/;
      if (comment.test(line)) yield [i + 1, line];
    }
  }
}

let wide = 0;
for (const name of names) {
  if (!/\.(md|ts|cts|mjs|py)$/.test(name) || name.startsWith(path.join("test", "fixtures"))) continue;
  for (const [number, line] of proseOf(name, readFileSync(path.join(root, name), "utf8"))) {
    const columns = [...line].length;
    if (columns <= width || !/\S\s+\S/.test(line.replace(/^\s*(\/\/|\/?\*+|#|[-*]|\d+\.)?\s*/, ""))) continue;
    console.error(`${name}:${number}: ${columns} columns`);
    wide++;
  }
}
if (wide > 0) {
  console.error(`${wide} lines of Markdown or comments are wider than ${width} columns`);
  process.exitCode = 1;
}
