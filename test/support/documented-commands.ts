// The commands that the documents show, taken from the documents themselves, and how each is run in a test: with small
// data and short settings in the place of what it names. Nothing is run that is not covered by a rule here, so what is
// newly documented needs one.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "./files.js";

export interface DocumentedCommand {
  readonly document: string;
  readonly text: string;
}

/** How a test runs it: `run` in a shell, to its end or, of a server, until it says where it listens. */
export type Form = { readonly run: string; readonly serves: boolean } | { readonly notRun: string };

/** What a documented command begins with. */
const programs =
  /^(?:[A-Z_]+=\S+ )*(?:cd|npx|npm|node|mpirun|python3?|dctstream|find|kubectl|sbatch|srun|docker|sh|bash) +\S/;

/** Commands in blocks of shell, behind a $ in other blocks, and in the text where they have arguments. */
export function documentedCommands(): DocumentedCommand[] {
  const documents = ["README.md", "CONTRIBUTING.md", ...["docs", "deploy", "bench"].flatMap(markdownIn)];
  const all = documents.flatMap((document) =>
    commandsIn(readFileSync(path.join(projectRoot, document), "utf8")).map((text) => ({ document, text })),
  );
  return all.filter(({ text }, i) => all.findIndex((other) => other.text === text) === i);
}

const markdownIn = (folder: string) =>
  readdirSync(path.join(projectRoot, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);

export function commandsIn(text: string): string[] {
  const found: string[] = [];
  for (const [, kind, block = ""] of text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```/gm)) {
    const lines = block.replace(/ *\\\n */g, " ").split("\n");
    if (/^(sh|bash|shell|console)$/.test(kind ?? "")) found.push(...lines.map((line) => line.replace(/^\$ /, "")));
    else found.push(...lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2)));
  }
  const prose = text.replace(/^```[\s\S]*?^```/gm, "");
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code.replaceAll("\\|", "|"));
  found.push(...inline.filter((code) => programs.test(code) && code.replace(/^dctstream /, "").includes(" ")));
  return found.map((line) => line.replace(/ #.*$/, "").trim()).filter((line) => line !== "");
}

/** What is left out, and why. */
const left: readonly (readonly [RegExp, string])[] = [
  [/^(kubectl|sbatch|srun|docker)\b/, "needs a cluster; the files of deploy/ are checked by test/deploy.test.ts"],
  [/^npm (test|run test:\w+)\b/, "runs the tests, of which this is one"],
  [/^node tools\/test-on-node\.mjs\b/, "runs the tests; test:nodes does"],
  [/^node tools\/pin-wheels\.mjs\b/, "changes the lists of wheels"],
  [/^npm run format$/, "changes the sources"],
  [/^(npm run setup|node tools\/setup\.mjs)\b/, "set up the checkout that the tests run in"],
  [/^python3? test\/fixtures\/pictures\.py\b/, "needs Pillow; test/pipeline compares with what it made"],
  [
    /^python3? test\/fixtures\/golden\.py\b/,
    "needs PyTorch; test/train/engine/golden.test.ts compares with what it made",
  ],
];

/**
 * Data and short settings in the place of what a command names, in this order. Of the paths the test's folder has one
 * each.
 */
const replacements: readonly (readonly [RegExp, string])[] = [
  [/^dctstream /, "npx dctstream "],
  // Without its first half, which sets the checkout up that the tests run in.
  [/^npm run demo$/, "npx dctstream demo --epochs 0.05 --out demo"],
  [/^npm run build$/, 'cd "$PROJECT" && npm run build -- --noEmit'],
  [/^npm run (check\S*)$/, 'cd "$PROJECT" && npm run $1'],
  [/--originals TARS\.\./, "--originals train-000000.tar train-000001.tar"],
  [/--small TARS\.\./, "--small small-0.tar small-1.tar"],
  [/\bTARS\.\.|\[tars\.\.\]|\bSOURCES\.\./g, "train-000000.tar train-000001.tar"],
  [/\bSHARDS\b|\bMANIFEST\b/g, "shards/train"],
  [/\bTRAIN VAL\b/g, "shards/train shards/val"],
  [/--config FILE\b|--config examples\/imagenette\.yaml/g, "--config small.yaml"],
  [/--out FOLDER\b/g, "--out made"],
  [/\bnetworks ID\b/g, "networks late-concat"],
  [/ \[none\|train\]/, " none"],
  // PyTorch takes minutes to install: what is compared with it is measured all the same.
  [/ \[--torch PYTHON\]| --torch python3/, ""],
  [/ \[jpeg unpack view batch\]| \[--corpus DIR\]| \[classes\] \[samples per class\] \[bytes\] \[batch\]/g, ""],
  [/\[?--seconds 600\]?/, "--seconds 1"],
  [/^(npm run fuzz --|node tools\/fuzz\.mjs)/, "$1 --corpus pictures"],
  [/(bench\/(?:exactness|end-to-end|profile|input-wait|kernels)\.js)$/, "$1 @"],
  [/(bench\/exactness\.js) @$/, "$1 train-000000.tar"],
  [/(bench\/(?:end-to-end|profile)\.js) @$/, "$1 shards/train train-000000.tar"],
  [/(bench\/input-wait\.js) @$/, "$1 shards/train"],
  [/(bench\/kernels\.js) @$/, "$1 train-000000.tar"],
  [/shards\/imagenette-(train|val)/g, "shards/$1"],
  [/--seeds 1,2,3/, "--seeds 1"],
  [/docs\/results\.(md|svg)/g, "results.$1"],
  [/\{000000\.\.\d+\}/g, "{000000..000001}"],
  [/https:\/\/host\//, "$WEB/"],
  [/http:\/\/minio:9000/, "$AWS_ENDPOINT_URL_S3"],
  [/--out s3:\/\/(shards|runs|me)\/[\w.]+/, "--out s3://$1/made-$RUN"],
  [/ \/nvme\b/g, " nvme"],
  [/find \//, "find pictures"],
  [/mpirun -n \d+ --hostfile hosts/, "mpirun -n 2"],
  [/^mpirun/, "mpirun --oversubscribe"],
  [/--epochs 90|--batch-size 512/, ""],
  [/(dctstream train .*)$/, "$1 --width 0.125 --input-size 32 --batch-size 8 --max-steps 3"],
  [/(dctstream profile read .*)$/, "$1 --input-size 32 --batch-size 8 --seconds 0.2"],
];

/** A word in capitals, an option in brackets: what a reader has to put something in the place of. */
const placeholder = /\[[^\]]*\]|\.\.(?=\s|$)|(?<![\w$/.-])[A-Z]{2,}(?![\w=])/;

/** How a command is run; undefined: no rule says how. */
export function formOf(command: string): Form | undefined {
  const reason = left.find(([pattern]) => pattern.test(command))?.[1];
  if (reason !== undefined) return { notRun: reason };
  const run = replacements.reduce((text, [pattern, by]) => text.replace(pattern, by), command);
  if (placeholder.test(run) || !programs.test(run)) return undefined;
  return { run, serves: /serve\.mjs|dctstream (serve|view|feed)\b/.test(run) };
}
