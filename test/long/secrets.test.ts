import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { dctstream, lastJson } from "../support/command-line.js";
import { temporaryFolder, writeTar } from "../support/files.js";
import { startSignedServer } from "../support/signed-server.js";
import { twoClassImage } from "../support/two-classes.js";

const network = ["--network", "resnet50-rgb", "--width", "0.125", "--input-size", "32", "--batch-size", "8"];

/** Runs commands, and keeps what they print. */
class Terminal {
  readonly printed: string[] = [];

  async run(status: number, ...args: string[]) {
    return this.interrupted(status, undefined, ...args);
  }

  async interrupted(status: number, interruptOn: RegExp | undefined, ...args: string[]) {
    const outcome = await dctstream(args, interruptOn === undefined ? {} : { interruptOn });
    assert.equal(outcome.status, status, `${args[0]}: ${outcome.stderr}${outcome.stdout}`);
    this.printed.push(outcome.stdout, outcome.stderr);
    return outcome;
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/** A web server with a tar and an image, and a folder for what is made of them. */
async function setUp(t: TestContext) {
  const web = temporaryFolder(t);
  const entries = Array.from({ length: 24 }, (_, i) => {
    const image = i === 3 ? Buffer.from("no image") : twoClassImage("signed", i);
    return [[`s${i}.jpg`, image] as const, [`s${i}.cls`, String(i % 2)] as const];
  }).flat();
  await writeTar(path.join(web, "in.tar"), entries);
  writeFileSync(path.join(web, "one.jpg"), twoClassImage("one", 0));
  const server = await startSignedServer(web);
  t.after(() => server.close());
  const folder = temporaryFolder(t);
  return { web, server, at: (name: string) => path.join(folder, name), folder };
}

test("no password, signature or token is in anything that the commands print or keep", async (t) => {
  const { web, server, at, folder } = await setUp(t);
  const terminal = new Terminal();
  const pages = (name: string) => ["--html", at(`${name}.html`), "--trace", at(`${name}.trace`), "--json"];
  const few = ["--retries", "1"];
  const shards = path.join(web, "shards");
  const tar = server.url("bob", "in.tar");
  await terminal.run(0, "preprocess", tar, "--out", shards, "--quarantine", at("bad.tar"), ...pages("preprocess"));
  const again = await terminal.run(0, "preprocess", server.url("eve", "in.tar"), "--out", shards, "--json");
  assert.equal(lastJson(again).alreadyDone, true, "the same source, signed anew");
  const job = JSON.parse(readFileSync(path.join(shards, "job.json"), "utf8")) as { sources: { url: string }[] };
  assert.match(job.sources[0]?.url ?? "", /^http:\/\/127\.0\.0\.1:\d+\/in\.tar\?~[0-9a-f]{8}$/);

  const train = (user: string) => {
    const data = [server.url(user, "shards"), "--val", server.url(user, "shards/manifest.json"), "--profile"];
    return ["train", ...data, ...network, "--max-steps", "60", "--out", at("run"), "--metrics-port", "0"];
  };
  await terminal.interrupted(130, /step 2\/60/, ...train("bob"), ...pages("train"));
  const resumed = await terminal.run(0, ...train("eve"), ...pages("train"));
  assert.ok((lastJson(resumed).resumedAt as number) >= 2, "goes on, whoever asks for the data");
  const saved = JSON.parse(readFileSync(at("run/config.json"), "utf8")) as Record<string, string>;
  assert.match(saved.manifest ?? "", /^http:\/\/127\.0\.0\.1:\d+\/shards$/);
  await terminal.run(1, "train", "--config", at("run/config.json"), "--out", at("run"), "--overwrite", ...few);

  for (const form of [[], ["--json"]]) {
    await terminal.run(0, "evaluate", at("run"), server.url("bob", "shards"), "--html", at("eval.html"), ...form);
    const missing = server.url("bob", "missing.jpg");
    const inputs = [tar, server.url("bob", "one.jpg"), missing, server.url("bob", "shards/manifest.json")];
    await terminal.run(0, "predict", at("run"), ...inputs, ...few, ...form);
    await terminal.run(0, "inspect", server.url("bob", "shards"), ...form);
    await terminal.run(0, "verify", server.url("bob", "shards"), ...form);
    await terminal.run(1, "preprocess", server.url("bob", "none-{0..2}.tar"), "--out", at("none"), ...few, ...form);
    await terminal.run(1, "preprocess", tar.replace("X-Amz-Signature", "x"), "--out", at("none"), ...few, ...form);
  }
  await terminal.run(0, "profile", "read", server.url("bob", "shards"), "--seconds", "0.3", ...pages("read"));
  await terminal.run(0, "profile", "storage", tar, "--seconds", "0.3", ...pages("storage"));
  await terminal.run(0, "profile", "preprocess", tar, "--seconds", "0.3", ...pages("profile"));

  await terminal.run(0, "convert", at("run"), at("network.safetensors"), "--json");
  copyFileSync(at("network.safetensors"), path.join(web, "network.safetensors"));
  await terminal.run(0, "convert", server.url("bob", "network.safetensors"), at("converted"), "--json");

  mkdirSync(path.join(web, "damaged"));
  for (const name of readdirSync(shards)) copyFileSync(path.join(shards, name), path.join(web, "damaged", name));
  const shard = path.join(web, "damaged", "shard-00000-00000.arrow");
  const bytes = readFileSync(shard);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  writeFileSync(shard, bytes);
  for (const form of [[], ["--json"]]) await terminal.run(1, "verify", server.url("bob", "damaged"), ...few, ...form);

  for (const source of [
    tar.replace("http://", "HTTP:\\\\"),
    tar.replace("%40", "@").replace("%2F", "/").replace("%3F", "?"),
    tar.replace("http://", "s3://"),
    tar.replace("http://", "ftp://"),
    tar.replace("127.0.0.1", "127.0.0.1:x"),
  ])
    await terminal.run(1, "preprocess", source, "--out", at("none"), ...few);
  await terminal.run(2, "preprocess", "s3://bucket/x.tar", "--out", at("none"), "--s3-endpoint", server.url("bob", ""));
  await terminal.run(2, tar);
  await terminal.run(2, "verify", "shards", `--${tar}`);
  await terminal.run(2, "verify", "shards", tar);
  writeFileSync(at("broken.yaml"), `manifest: ${tar}\nval: ${tar}: x: [\n`);
  await terminal.run(2, "train", "--config", at("broken.yaml"));

  const config = at("broken.yaml"); // the user's own
  const kept = [...filesBelow(folder), ...filesBelow(web)].filter((file) => file !== config);
  assert.ok(kept.length > 25, `${kept.length} files`);
  const texts = [...terminal.printed, ...kept.flatMap((file) => [file, readFileSync(file, "latin1")])];
  for (const text of texts)
    for (const secret of server.secrets) {
      const found = text.toLowerCase().indexOf(secret.toLowerCase());
      assert.ok(found < 0, `${secret} in ...${text.slice(Math.max(0, found - 200), found + 100)}...`);
    }
});
