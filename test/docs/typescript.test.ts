// The TypeScript that the documents and the doc comments of exports show, compiled against the package's own
// declarations.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { projectRoot } from "../support/files.js";

interface Example {
  /** The file that shows it, and the line on which its block begins. */
  readonly from: string;
  readonly code: string;
}

/** The blocks of a text that are marked as TypeScript; in doc comments without the stars. */
function examplesIn(file: string, text: string): Example[] {
  return [...text.matchAll(/^( *\* )?```ts\n([\s\S]*?)^(?: *\* )?```$/gm)].map(({ index, 1: star, 2: code = "" }) => ({
    from: `${file}:${text.slice(0, index).split("\n").length}`,
    code: star === undefined ? code : code.replace(/^ *\* ?/gm, ""),
  }));
}

const filesOf = (folder: string, ending: string) =>
  readdirSync(path.join(projectRoot, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name));

const files = ["README.md", "CONTRIBUTING.md", ...["docs", "deploy", "bench"].flatMap((f) => filesOf(f, ".md"))];
const shown = [...files, ...filesOf("src", ".ts")].flatMap((file) =>
  examplesIn(file, readFileSync(path.join(projectRoot, file), "utf8")),
);

/**
 * What the compiler finds wrong, by example. Every example is a module in the project's root, where it can import the
 * package by name.
 */
function problemsOf(examples: readonly Example[]): Map<Example, string> {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    noEmit: true,
    types: ["node"],
  };
  const modules = new Map(examples.map((example, i) => [path.join(projectRoot, `example-${i}.ts`), example]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => modules.has(name) || fileExists(name);
  host.readFile = (name) => modules.get(name)?.code ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const example = modules.get(name);
    return example === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, example.code, version);
  };
  const program = ts.createProgram([...modules.keys()], options, host);
  const problems = new Map<Example, string>();
  for (const { file, start, messageText } of ts.getPreEmitDiagnostics(program)) {
    const example = file && modules.get(file.fileName);
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
    const text = `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    assert.ok(example, text);
    problems.set(example, `${problems.get(example) ?? ""}\n${example.from}, ${text}`);
  }
  return problems;
}

test("the TypeScript of documents and doc comments compiles against the package's declarations", () => {
  const wrong: Example = { from: "here", code: 'import { loadBatch } from "dctstream";\nloadBatch();\n' };
  const problems = problemsOf([...shown, wrong]);
  assert.match(problems.get(wrong) ?? "", /no exported member/);
  problems.delete(wrong);
  assert.deepEqual([...problems.values()].join("\n"), "");
});

test("the documents and the main exports have examples", () => {
  const documents = shown.filter(({ from }) => from.includes(".md:"));
  assert.ok(documents.length >= 5, `${documents.length} in documents`);
  assert.ok(shown.length - documents.length >= 10, `${shown.length - documents.length} in doc comments`);
});

test("examples are found in Markdown and in doc comments", () => {
  const markdown = "Text.\n\n```ts\nconst a = 1;\n```\n```json\n{}\n```\n";
  assert.deepEqual(examplesIn("a.md", markdown), [{ from: "a.md:3", code: "const a = 1;\n" }]);
  const comment = "  /**\n   * Text.\n   * ```ts\n   * if (a) {\n   *   b();\n   * }\n   * ```\n   */\n";
  assert.deepEqual(examplesIn("a.ts", comment), [{ from: "a.ts:3", code: "if (a) {\n  b();\n}\n" }]);
});
