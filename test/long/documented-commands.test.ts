// Every command that the documents show, run as they show it: in a folder that holds what it names, small, and with
// short settings.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { dctstream } from "../support/command-line.js";
import { sampleEntries } from "../support/dataset.js";
import { documentedCommands, formOf } from "../support/documented-commands.js";
import { projectRoot, temporaryFolder, writeTar } from "../support/files.js";
import { heldServer } from "../support/held-server.js";
import { jpegKinds, makeJpeg } from "../support/jpegs.js";
import { logIn, S3Server } from "../support/s3-server.js";
import { inTime } from "../support/until.js";

/** What the documents' commands find: tars, shards, a run, pictures; copied for each. */
const data = temporaryFolder({ after });
let server: S3Server;
let python: string;
let runs = 0;

before(async () => {
  const at = (...names: string[]) => path.join(data, ...names);
  const made = async (...args: string[]) => {
    const { status, stderr } = await dctstream(args);
    assert.equal(status, 0, stderr);
  };
  for (const [name, key] of ["train-000000", "train-000001", "val-000000", "more"].entries())
    await writeTar(at(`${key}.tar`), sampleEntries(64, `${name}-`));
  const small = (seed: number) => makeJpeg({ name: "small", width: 224, height: 224, channels: 3 }, seed);
  for (const i of [0, 1])
    await writeTar(at(`small-${i}.tar`), [
      [`${i}.jpg`, small(i)],
      [`${i}.cls`, "0"],
    ]);
  for (const i of [0, 1]) copyFileSync(at(`train-00000${i}.tar`), at(`imagenet-wds-00000${i}.tar`));
  await made("preprocess", at("train-*.tar"), "--out", at("shards/train"));
  for (const name of ["val", "test"]) await made("preprocess", at("val-*.tar"), "--out", at("shards", name));
  cpSync(at("shards/train/"), at("shards"), { recursive: true }); // some commands name the folder above
  const shape = "--network late-concat-rfa-thinner --width 0.125 --input-size 32 --batch-size 8 --max-steps 2".split(
    " ",
  );
  await made("train", at("shards/train"), ...shape, "--out", at("runs/1"));
  await made("convert", at("runs/1"), at("weights.safetensors"));
  for (const folder of ["pictures", "holiday"]) {
    mkdirSync(at(folder));
    for (const [i, kind] of jpegKinds.entries()) writeFileSync(at(folder, `${i}.jpg`), makeJpeg(kind));
  }
  copyFileSync(at("pictures/0.jpg"), at("picture.jpg"));
  const settings = { epochs: 1, "batch-size": 8, width: 0.125, "input-size": 32, "max-steps": 2 };
  writeFileSync(at("small.yaml"), JSON.stringify(settings));
  logIn();
  server = await S3Server.start();
  for (const bucket of ["raw", "shards", "runs", "me"]) await server.bucket(bucket);
  process.env.AWS_ENDPOINT_URL_S3 = server.endpoint;
  process.env.AWS_REGION = "us-east-1";
  for (const i of [0, 1]) await made("preprocess", at(`train-00000${i}.tar`), "--out", `s3://shards/part-${i}`);
  await made("preprocess", at("train-*.tar"), "--out", "s3://shards/train");
  await made("preprocess", at("val-*.tar"), "--out", "s3://shards/val");
  for (const key of ["train-000000", "train-000001", "val-000000"])
    await server.put("raw", `${key}.tar`, readFileSync(at(`${key}.tar`)));
  await made("index", "s3://raw/train-*.tar", "--out", "s3://me/train.index");
  python = at("python");
  const pip = ["-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target", python, "numpy", "pillow"];
  assert.equal((await run(`python3 ${pip.join(" ")}`, data, {})).status, 0, "numpy and Pillow for bench/exactness.py");
});

after(() => server.stop());

interface Ended {
  readonly status: number | null;
  readonly output: string;
}

/** A demonstration is minutes of work for a slow machine. */
const limitMs = 3_600_000;

/** In a shell; of a server until `serving` is in its output. */
function run(command: string, cwd: string, env: Record<string, string>, serving?: RegExp): Promise<Ended> {
  const child = spawn("bash", ["-c", `set -o pipefail\n${command}`], {
    cwd,
    env: { ...process.env, ...env },
    detached: true, // a group of its own, to end all of a pipeline
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    process.kill(-(child.pid as number), "SIGKILL");
  };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      if (serving?.test(output)) stop();
    });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status: stopped ? 0 : status, output }));
  });
  return inTime(`${command} has ended`, ended, limitMs).finally(() => child.exitCode === null && stop());
}

/** A copy of the data beside the project's own files, without what the command is going to make. */
function workFolder(t: TestContext, command: string): string {
  const folder = temporaryFolder(t);
  cpSync(data, folder, { recursive: true });
  for (const name of ["node_modules", "dist", "src", "tools", "test", "bench", "examples", "deploy", "docs"])
    symlinkSync(path.join(projectRoot, name), path.join(folder, name));
  for (const name of ["package.json", "tsconfig.json", "biome.json", ".clang-format", ".dependency-cruiser.cjs"])
    symlinkSync(path.join(projectRoot, name), path.join(folder, name));
  for (const [, made = ""] of command.matchAll(/--out (?!s3:)(\S+)/g))
    rmSync(path.join(folder, made), { recursive: true, force: true });
  return folder;
}

for (const { document, text } of documentedCommands()) {
  const form = formOf(text);
  if (form === undefined || "notRun" in form) continue; // test/docs/commands.test.ts knows these by name
  test(`${document}: ${text}`, async (t) => {
    const folder = workFolder(t, form.run);
    const web = await heldServer(t, folder);
    const env = {
      DCTSTREAM_BENCH: "short",
      PROJECT: projectRoot,
      OMPI_ALLOW_RUN_AS_ROOT: "1",
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
      PYTHONPATH: python,
      XDG_CACHE_HOME: path.join(folder, "user-cache"),
      WEB: web.url("").slice(0, -1),
      RUN: String(runs++),
    };
    const serving = form.serves ? /http:\/\/127\.0\.0\.1:\d+/ : undefined;
    const { status, output } = await run(form.run, folder, env, serving);
    assert.equal(status, 0, `${form.run}\n${output.slice(-4000)}`);
    assert.ok(output.trim().length > 0 || />/.test(form.run), "it says something");
  });
}
