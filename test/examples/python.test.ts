import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { unpackCoefficients } from "../../src/native/index.js";
import { readManifest } from "../../src/shards/manifest.js";
import { readShard } from "../../src/shards/reader.js";
import { makeDataset, makeIndex, sha256 } from "../support/dataset.js";
import { projectRoot, temporaryFolder } from "../support/files.js";

/** Where setup --tests puts numpy and pyarrow. */
function pythonPath(): string {
  const cache =
    process.env.DCTSTREAM_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache"), "dctstream");
  const found = existsSync(cache)
    ? readdirSync(cache).find((name) => name.startsWith("python-") && existsSync(path.join(cache, name, "pyarrow")))
    : undefined;
  assert.ok(found, `no numpy and pyarrow in ${cache}; run: node tools/setup.mjs --tests`);
  return path.join(cache, found);
}

const script = `
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import decode_shard, pyarrow as pa
shard = pa.ipc.open_file(sys.argv[2])
codec = shard.schema.metadata[b"dctstream.codec"].decode()
for i in range(shard.num_record_batches):
    for row in shard.get_batch(i).to_pylist():
        planes = decode_shard.decode(row, codec)
        print(row["key"], row["label"], hashlib.sha256(b"".join(p.tobytes() for p in planes)).hexdigest())
`;

for (const codec of ["zstd", "none"] as const) {
  test(`${codec}: pyarrow and numpy alone read the same coefficients as the addon`, async (t) => {
    const { manifest: url } = await makeDataset(temporaryFolder(t), 32, { codec });
    const manifest = await readManifest(url);
    const shard = manifest.shards[0] as (typeof manifest.shards)[number];
    const program = path.join(temporaryFolder(t), "print.py");
    writeFileSync(program, script);
    const done = spawnSync(
      "python3",
      [program, path.join(projectRoot, "examples", "python"), path.join(manifest.folder, shard.name)],
      { encoding: "utf8", env: { ...process.env, PYTHONPATH: pythonPath() } },
    );
    assert.equal(done.status, 0, done.stderr);
    const expected: string[] = [];
    for await (const batch of readShard(manifest, shard)) {
      for (let row = 0; row < batch.length; row++) {
        const sample = batch.sample(row);
        const all = unpackCoefficients(sample.packed, sample.components, codec);
        let offset = 0;
        // Without the padding blocks of whole MCUs, as libjpeg counts a component's blocks.
        const rows = sample.components.flatMap(({ blocksWide, blocksHigh, storedWide, storedHigh }) => {
          const start = offset;
          offset += storedWide * storedHigh * 64;
          return Array.from({ length: blocksHigh }, (_, y) =>
            all.subarray(start + y * storedWide * 64, start + (y * storedWide + blocksWide) * 64),
          );
        });
        const bytes = Buffer.concat(
          rows.map((values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength)),
        );
        expected.push(`${sample.key} ${sample.label} ${sha256(bytes)}`);
      }
    }
    assert.deepEqual(done.stdout.trim().split("\n"), expected);
  });
}

const datasetScript = `
import hashlib, pickle, sys
sys.path.insert(0, sys.argv[1])
from torch_dataset import ShardDataset
data = pickle.loads(pickle.dumps(ShardDataset(sys.argv[2])))  # as a worker process gets it
for i in reversed(range(len(data))):
    planes, label, key = data[i]
    print(key, label, *("x".join(map(str, p.shape[:2])) for p in planes), hashlib.sha256(planes[0].astype("<f4").tobytes()).hexdigest())
try:
    data[len(data)]
except IndexError:
    print("end")
`;

test("the PyTorch Dataset gives every sample's dequantised coefficients by number, with or without torch", async (t) => {
  const { manifest: url } = await makeDataset(temporaryFolder(t), 40, { maxShardBytes: 40_000 });
  const manifest = await readManifest(url);
  const program = path.join(temporaryFolder(t), "print.py");
  writeFileSync(program, datasetScript);
  const done = spawnSync("python3", [program, path.join(projectRoot, "examples", "python"), manifest.folder], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: pythonPath() },
  });
  assert.equal(done.status, 0, done.stderr);
  const expected: string[] = [];
  for (const shard of manifest.shards) {
    for await (const batch of readShard(manifest, shard)) {
      for (let row = 0; row < batch.length; row++) {
        const { key, label, components, packed, quantTables } = batch.sample(row);
        const all = unpackCoefficients(packed, components, batch.codec);
        const [y] = components;
        assert.ok(y);
        const luma = Array.from({ length: y.blocksHigh }, (_, high) =>
          all.subarray(high * y.storedWide * 64, (high * y.storedWide + y.blocksWide) * 64),
        ).flatMap((values) => [...values]);
        const floats = Float32Array.from(luma, (value, i) => value * (quantTables[i % 64] as number));
        const shapes = components.map(({ blocksWide, blocksHigh }) => `${blocksHigh}x${blocksWide}`);
        expected.push(`${key} ${label} ${shapes.join(" ")} ${sha256(new Uint8Array(floats.buffer))}`);
      }
    }
  }
  assert.deepEqual(done.stdout.trim().split("\n"), [...expected.reverse(), "end"]);
});

test("of an index, whose images are elsewhere, both programs say so", async (t) => {
  const { manifest } = await makeIndex(temporaryFolder(t), 8);
  const { folder, shards } = await readManifest(manifest);
  const says = (program: string, given: string) => {
    const file = path.join(projectRoot, "examples", "python", program);
    const env = { ...process.env, PYTHONPATH: pythonPath() };
    return spawnSync("python3", [file, given], { encoding: "utf8", env }).stderr;
  };
  assert.match(says("torch_dataset.py", folder), /is an index: most of its images stayed in their sources/);
  assert.match(says("decode_shard.py", path.join(folder, shards[0]?.name ?? "")), /s0000 stayed in its source/);
});

test("the decoder is short enough to read: under 50 lines", () => {
  const text = readFileSync(path.join(projectRoot, "examples", "python", "decode_shard.py"), "utf8");
  assert.ok(text.trimEnd().split("\n").length < 50);
});
