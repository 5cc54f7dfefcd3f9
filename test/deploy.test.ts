import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { validate } from "dockerfile-utils";
import { parse } from "yaml";
import { dctstream } from "./support/command-line.js";
import { projectRoot } from "./support/files.js";

const deploy = path.join(projectRoot, "deploy");
const filesOf = (folder: string) =>
  readdirSync(path.join(deploy, folder)).map((name) => path.join(deploy, folder, name));
const textOf = (...names: string[]) => readFileSync(path.join(deploy, ...names), "utf8");

/** Every option of a command that the text gives it is one it has. */
async function assertOptionsExist(command: string, text: string): Promise<void> {
  const { stdout } = await dctstream([command, "--help"]);
  const known = new Set([...stdout.matchAll(/--([a-z][a-z0-9-]*)/g)].map((match) => match[1]));
  const given = [...text.matchAll(/--([a-z][a-z0-9-]*)/g)].map((match) => match[1] as string);
  assert.ok(given.length >= 2);
  for (const option of given) assert.ok(known.has(option), `dctstream ${command} has no --${option}`);
}

test("the Dockerfile is one", () => {
  const problems = validate(textOf("Dockerfile"));
  assert.deepEqual(
    problems.map(({ message, range }) => `${range.start.line + 1}: ${message}`),
    [],
  );
});

test("the Slurm scripts pass shellcheck and give their commands options that exist", async () => {
  const { status, stdout } = spawnSync("shellcheck", filesOf("slurm"), { encoding: "utf8" });
  assert.equal(status, 0, stdout);
  for (const command of ["preprocess", "train"]) {
    const script = textOf("slurm", `${command}.sbatch`).replace(/\\\n/g, " ");
    const line = new RegExp(`dctstream ${command} .*`).exec(script)?.[0] ?? "";
    await assertOptionsExist(command, line);
    assert.match(script, /^#SBATCH --requeue$/m);
  }
});

interface Container {
  readonly command?: string[];
  readonly args: string[];
}

test("the Kubernetes files are jobs that give their commands options that exist", async () => {
  const job = parse(textOf("kubernetes", "preprocess.yaml"));
  assert.deepEqual([job.apiVersion, job.kind, job.spec.completionMode], ["batch/v1", "Job", "Indexed"]);
  const [reader] = job.spec.template.spec.containers as [Container];
  await assertOptionsExist("preprocess", reader.args.join(" "));
  assert.ok(reader.args.includes(`--world-size=${job.spec.completions}`), "every rank knows how many there are");
  const mpi = parse(textOf("kubernetes", "train.yaml"));
  assert.deepEqual([mpi.apiVersion, mpi.kind], ["kubeflow.org/v2beta1", "MPIJob"]);
  const { Launcher, Worker } = mpi.spec.mpiReplicaSpecs;
  const [{ command, args }] = Launcher.template.spec.containers as [Container];
  assert.deepEqual(command, ["mpirun"]);
  const program = args.indexOf("dctstream");
  assert.equal(
    Number(args[args.indexOf("-n") + 1]),
    Worker.replicas * mpi.spec.slotsPerWorker,
    "as many ranks as there are slots",
  );
  await assertOptionsExist("train", args.slice(program).join(" "));
  assert.ok(args.includes("--metrics-host=0.0.0.0"), "who asks for the metrics is outside of the pod");
  const gpus = Number(Worker.template.spec.containers[0].resources.limits["nvidia.com/gpu"]);
  assert.equal(gpus, mpi.spec.slotsPerWorker, "a rank for each GPU");
  const batch = Number(/--batch-size=(\d+)/.exec(args.join(" "))?.[1]);
  assert.equal(batch % (Worker.replicas * gpus), 0);
});
