import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { unpackCoefficients } from "../../src/native/index.js";
import { readManifest } from "../../src/shards/manifest.js";
import { readShard } from "../../src/shards/reader.js";
import { makeDataset, sha256 } from "../support/dataset.js";
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

test("the decoder is short enough to read: under 50 lines", () => {
  const text = readFileSync(path.join(projectRoot, "examples", "python", "decode_shard.py"), "utf8");
  assert.ok(text.trimEnd().split("\n").length < 50);
});
