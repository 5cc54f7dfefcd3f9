// A real S3 service on loopback: Ceph's monitor, one object store in memory, and its RADOS gateway. Each has its own
// folder and free ports, so test files do not meet. Ready in about two seconds.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { S3Options } from "../../src/storage/s3/client.js";
import { FaultProxy } from "./fault-proxy.js";
import { patienceMs, until } from "./until.js";

const exec = promisify(execFile);
const storeBytes = 3 * 2 ** 30;

export const credentials = {
  accessKeyId: "DCTSTREAMTESTKEY0001",
  secretAccessKey: "a-secret-that-must-not-be-seen-0123456789",
};
/** Of a second user, who owns nothing. */
export const strangerCredentials = {
  accessKeyId: "DCTSTREAMTESTKEY0002",
  secretAccessKey: "another-secret-0123456789-0123456789-0123",
};

/** For everything in this process that goes by the environment. */
export function logIn({ accessKeyId, secretAccessKey } = credentials): void {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
}

export class S3Server {
  readonly endpoint: string;
  /** With retries of its own, and directly at the server: for preparing and checking. */
  readonly client: S3Client;
  private readonly daemons = new Map<string, ChildProcess>();

  private constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {
    this.endpoint = `http://127.0.0.1:${port}`;
    this.client = new S3Client({ endpoint: this.endpoint, region: "us-east-1", forcePathStyle: true, credentials });
  }

  static async start(): Promise<S3Server> {
    const server = new S3Server(mkdtempSync(path.join(tmpdir(), "dctstream-s3-")), await freePort());
    try {
      await server.create(await freePort());
      for (const [name, keys] of [
        ["owner", credentials],
        ["stranger", strangerCredentials],
      ] as const) {
        const { accessKeyId, secretAccessKey } = keys;
        const secret = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
        await server.run("radosgw-admin", "user", "create", `--uid=${name}`, `--display-name=${name}`, ...secret);
      }
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** How the toolkit's own store reaches it, with patience fit for tests. */
  options(endpoint = this.endpoint): S3Options {
    return {
      endpoint,
      region: "us-east-1",
      retry: { baseDelayMs: 5, maxDelayMs: 100 },
      timeouts: { connectMs: 120_000, firstByteMs: 120_000, stallMs: 120_000 },
    };
  }

  async bucket(name: string): Promise<string> {
    await this.client.send(new CreateBucketCommand({ Bucket: name }));
    return name;
  }

  async put(bucket: string, key: string, body: Uint8Array | string): Promise<void> {
    await this.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(body) }));
  }

  async get(bucket: string, key: string): Promise<Uint8Array> {
    return (await this.getWithTag(bucket, key)).bytes;
  }

  async getWithTag(bucket: string, key: string): Promise<{ bytes: Uint8Array; etag: string }> {
    const { Body, ETag = "" } = await this.client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return { bytes: (await Body?.transformToByteArray()) ?? new Uint8Array(0), etag: ETag };
  }

  /** In front of this server, in place of its endpoint. */
  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.endpoint);
    proxy.readWhole = (path) => {
      const [, bucket = "", key = ""] = /^\/([^/]+)\/([^?]*)/.exec(path) ?? [];
      return this.getWithTag(bucket, decodeURIComponent(key));
    };
    return proxy;
  }

  /** Anybody may read and list the bucket from now on. */
  async publish(bucket: string): Promise<void> {
    const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
    const statement = { Effect: "Allow", Principal: "*", Action: ["s3:GetObject", "s3:ListBucket"], Resource };
    const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
    await this.client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  }

  /** Keys of uploads that were begun and neither completed nor aborted. */
  async openUploads(bucket: string): Promise<string[]> {
    const { Uploads = [] } = await this.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    return Uploads.map(({ Key = "" }) => Key);
  }

  /** Kills the gateway, connections and all; the objects stay in the store behind it. */
  async killGateway(): Promise<void> {
    await end(this.daemons.get("gateway"), "SIGKILL");
  }

  async startGateway(): Promise<void> {
    this.launch("gateway", "radosgw", "-f", "-n", "client.rgw");
    await until("the S3 gateway answers", () =>
      fetch(this.endpoint).then(
        () => true,
        () => false,
      ),
    );
  }

  async stop(): Promise<void> {
    this.client.destroy();
    // In this order: the gateway would wait for the others.
    for (const name of ["gateway", "store", "monitor"]) await end(this.daemons.get(name), "SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async create(monitorPort: number): Promise<void> {
    const { folder } = this;
    const id = randomUUID();
    const address = `v2:127.0.0.1:${monitorPort}`;
    for (const name of ["monitor", "store"]) mkdirSync(path.join(folder, name));
    writeFileSync(this.config, configuration({ folder, id, address, port: this.port }));
    const keyring = path.join(folder, "keyring");
    const all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"];
    await exec("ceph-authtool", ["--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"]);
    for (const name of ["client.admin", "client.rgw", "osd.0"])
      await exec("ceph-authtool", [keyring, "--gen-key", "-n", name, ...all]);
    const map = path.join(folder, "monitors");
    await exec("monmaptool", ["--create", "--clobber", "--addv", "a", `[${address}]`, "--fsid", id, map]);
    await this.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring);
    this.launch("monitor", "ceph-mon", "-f", "-i", "a");
    const store = randomUUID();
    await this.run("ceph", "osd", "new", store);
    await this.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store);
    this.launch("store", "ceph-osd", "-f", "-i", "0");
    await until("the object store is up", () =>
      this.run("ceph", "osd", "stat").then(
        (text) => text.includes("1 up"),
        () => false,
      ),
    );
    await this.startGateway();
  }

  private get config(): string {
    return path.join(this.folder, "ceph.conf");
  }

  private async run(command: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await exec(command, ["-c", this.config, ...args], { timeout: patienceMs });
    return stdout;
  }

  private launch(name: string, command: string, ...args: readonly string[]): void {
    const log = openSync(path.join(this.folder, `${name}.log`), "a");
    this.daemons.set(name, spawn(command, ["-c", this.config, ...args], { stdio: ["ignore", log, log] }));
    closeSync(log);
  }
}

interface Place {
  readonly folder: string;
  readonly id: string;
  readonly address: string;
  readonly port: number;
}

/** One copy of everything, one placement group a pool, and none of the waiting that a real cluster does. */
function configuration({ folder, id, address, port }: Place): string {
  return `
[global]
fsid = ${id}
mon host = ${address}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = ${folder}/keyring
run dir = ${folder}
admin socket = ${folder}/$name.asok
log file = ${folder}/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
[mon]
mon data = ${folder}/monitor
mon data avail crit = 1
mon data avail warn = 1
auth allow insecure global id reclaim = false
paxos propose interval = 0.05
paxos min wait = 0.01
mon election timeout = 1
mon osd prime pg temp = false
[osd]
osd data = ${folder}/store
osd objectstore = memstore
memstore device bytes = ${storeBytes}
osd memory target = 939524096
osd mon shutdown timeout = 0.3
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw thread pool size = 64
rgw dynamic resharding = false
rgw gc max objs = 1
rgw gc obj min wait = 2
rgw gc processor period = 2
rgw gc processor max time = 2
rgw lc max objs = 1
rgw num control oids = 1
rgw data log num shards = 1
rgw md log max shards = 1
`;
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), 3000);
  await gone;
  clearTimeout(timer);
}
