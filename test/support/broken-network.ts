// Every command that reads or writes object storage, on data in a real S3 service, behind a network that breaks.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { putObject } from "../../src/storage/objects.js";
import { closeStorage, configureStorage } from "../../src/storage/store.js";
import { dctstream, lastJson, type Outcome } from "./command-line.js";
import { sampleEntries } from "./dataset.js";
import { tarBytes } from "./files.js";
import { type Cut, PhaseProxy } from "./phase-proxy.js";
import { logIn, S3Server } from "./s3-server.js";

const tiny = ["--network", "late-concat", "--width", "0.125", "--input-size", "32", "--batch-size", "8"];

/** What each command is given; `out` is a place of its own. */
export const commands: Readonly<Record<string, (out: string) => readonly string[]>> = {
  preprocess: (out) => ["preprocess", "s3://net/in.tar", "--out", out, "--shard-bytes", "20kB", "--workers", "1"],
  train: (out) => ["train", "s3://net/shards", ...tiny, "--max-steps", "4", "--out", out],
  evaluate: () => ["evaluate", "s3://net/run", "s3://net/shards", "--batch-size", "8"],
  predict: () => ["predict", "s3://net/run", "s3://net/in.tar", "--workers", "1"],
};

/** What of a command's result is the same however often it had to ask. */
const lasting = ["samples", "failed", "shards", "outputBytes", "steps", "loss", "top1", "top5"];

export class BrokenNetwork {
  private runs = 0;

  private constructor(
    private readonly server: S3Server,
    readonly proxy: PhaseProxy,
  ) {}

  static async start(): Promise<BrokenNetwork> {
    logIn();
    const server = await S3Server.start();
    await server.bucket("net");
    configureStorage({ s3: { endpoint: server.endpoint } });
    await putObject("s3://net/in.tar", await tarBytes(sampleEntries(48)));
    await preprocess({ sources: ["s3://net/in.tar"], out: "s3://net/shards", workers: 1, maxShardBytes: 20_000 });
    await closeStorage();
    const network = new BrokenNetwork(server, await PhaseProxy.start(server.endpoint));
    const run = commands.train?.("s3://net/run") ?? [];
    const trained = await dctstream([...run, "--s3-endpoint", server.endpoint]);
    assert.equal(trained.status, 0, trained.stderr);
    return network;
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    await this.server.stop();
  }

  /** Runs a command to its own end, through the proxy or directly. */
  async run(name: string, more: readonly string[], direct = false): Promise<Outcome> {
    const place = ["--s3-endpoint", direct ? this.server.endpoint : this.proxy.endpoint, "--json"];
    const args = commands[name]?.(`s3://net/out-${this.runs++}`) ?? assert.fail(name);
    return dctstream([...args, ...place, ...more]);
  }

  /** With each of the cuts once the command does what it does without any. */
  async recovers(name: string, cuts: readonly Cut[]): Promise<void> {
    this.proxy.reset();
    const expected = await this.run(name, [], true);
    assert.equal(expected.status, 0, expected.stderr);
    this.proxy.cutMost(cuts);
    const outcome = await this.run(name, ["--request-timeout", "1", "--retries", "30"]);
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.deepEqual(resultOf(name, outcome), resultOf(name, expected));
    const made = new Set(this.proxy.made);
    // A connection that is not used a second time cannot be broken off there.
    for (const { phase, break: how } of cuts)
      if (phase !== "again") assert.ok(made.has(`${phase} ${how}`), `${phase} ${how} was made`);
  }

  /** Where every request from some point on is broken off the command ends with an error that says so. */
  async givesUp(name: string, passed: number, cut: Cut): Promise<void> {
    this.proxy.cutAllAfter(passed, cut);
    const outcome = await this.run(name, ["--request-timeout", "0.5", "--retries", "3"]);
    const what = `${name} after ${passed} requests, ${cut.phase} ${cut.break}: ${outcome.stderr}`;
    assert.equal(outcome.status, 1, what);
    const { code } = lastJson(outcome).error as { code: string };
    assert.match(code, /^(IO_ERROR|ENDPOINT_UNREACHABLE)$/, what);
    assert.doesNotMatch(outcome.stderr, /^ +at /m, what);
  }
}

function resultOf(name: string, outcome: Outcome): unknown {
  if (name === "predict") return outcome.stdout.replace(/^.*"imagesPerSecond".*$/m, "");
  const result = lastJson(outcome);
  return Object.fromEntries(lasting.map((key) => [key, result[key]]));
}

/** Until the test is over. */
export async function brokenNetwork(t: TestContext): Promise<BrokenNetwork> {
  const network = await BrokenNetwork.start();
  t.after(() => network.stop());
  return network;
}
