// Data sets whose files stayed in their sources: what is damaged, gone or forged is found, and named.
import assert from "node:assert/strict";
import { cpSync, readFileSync, renameSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { crc32c } from "../../src/native/index.js";
import { exportImages } from "../../src/pipeline/export.js";
import { indexSources } from "../../src/pipeline/preprocess/index-sources.js";
import { openDataset } from "../../src/shards/dataset.js";
import { recordFlags } from "../../src/shards/flags.js";
import { type LoadedManifest, type Manifest, parseManifest, readManifest } from "../../src/shards/manifest.js";
import type { SampleRecord } from "../../src/shards/record.js";
import { SampleIndexBuilder } from "../../src/shards/sample-index-builder.js";
import { verify } from "../../src/shards/verify.js";
import { configureStorage } from "../../src/storage/store.js";
import { rejectsWith } from "../support/errors.js";
import { namesIn, temporaryFolder, writeTar } from "../support/files.js";
import { forgeSeekFile, readRecords, sealDataset } from "../support/forge.js";
import { mixedCounts, mixedEntries, writeSource } from "../support/indexed.js";
import { cmykKind, jpegKinds, makeJpeg } from "../support/jpegs.js";

const { stay, stored } = mixedCounts();
const samples = stay + stored;

interface Indexed {
  readonly folder: string;
  readonly source: string;
  readonly out: string;
}

/** When a tar was changed last: it can be set again after a change that nobody is to notice by it. */
const indexedAt = 1e9;

async function makeIndex(t: TestContext, kind: "tar" | "class folders" = "tar"): Promise<Indexed> {
  const folder = temporaryFolder(t);
  const { sources } = await writeSource(folder, kind);
  const out = path.join(folder, "index");
  if (kind === "tar") utimesSync(sources[0] as string, indexedAt, indexedAt);
  await indexSources({ sources, out, workers: 1 });
  return { folder, source: sources[0] as string, out };
}

const shardFile = (out: string) => path.join(out, "shard-00000-00000.arrow");
const seekFile = (out: string) => path.join(out, "shard-00000-00000.seek");

function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

/** What verify finds, as `CODE file key`. */
async function found(out: string, rebuild = true): Promise<string[]> {
  const { corrupt } = await verify(out, { rebuild });
  return corrupt.map(({ code, source, key }) => [code, path.basename(source ?? ""), ...(key ? [key] : [])].join(" "));
}

test("a flipped byte is found wherever it is, and named", async (t) => {
  const { folder, source, out } = await makeIndex(t);
  const good = path.join(folder, "good");
  cpSync(out, good, { recursive: true });
  const again = () => cpSync(good, out, { recursive: true });

  flip(seekFile(out), 200);
  const twice = Array(2).fill("CHECKSUM_MISMATCH shard-00000-00000.seek");
  assert.deepEqual(await found(out), twice);
  assert.deepEqual(await found(out, false), twice);
  await rejectsWith("CHECKSUM_MISMATCH", () => openDataset(out), /\.seek/);
  await rejectsWith("CHECKSUM_MISMATCH", () => exportImages({ manifest: out, out: path.join(folder, "x") }), /\.seek/);
  assert.equal((await verify(out)).samples, stored);

  again();
  flip(path.join(out, "index.arrow"), statSync(path.join(out, "index.arrow")).size >> 1);
  assert.deepEqual(await found(out), ["CHECKSUM_MISMATCH index.arrow"]);

  again();
  const record = (await readRecords(out)).find(({ key }) => key === "0003") as SampleRecord;
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(record.imageCrc32c);
  flip(shardFile(out), readFileSync(shardFile(out)).indexOf(crc));
  assert.deepEqual(await found(out), [
    "CHECKSUM_MISMATCH shard-00000-00000.arrow",
    "CORRUPT_INDEX shard-00000-00000.arrow 0003",
  ]);

  again();
  flip(source, readFileSync(source).indexOf(makeJpeg(jpegKinds[1] as (typeof jpegKinds)[number], 1)) + 700);
  utimesSync(source, indexedAt, indexedAt);
  assert.deepEqual(await found(out), ["CHECKSUM_MISMATCH source.tar 0001"]);
  assert.deepEqual(await found(out, false), []);
  const exported = exportImages({ manifest: out, out: path.join(folder, "y") });
  await rejectsWith("CHECKSUM_MISMATCH", () => exported, /source\.tar, 0001/);
});

test("a tar that was replaced, cut or removed is named, and the others are verified", async (t) => {
  const folder = temporaryFolder(t);
  const tars = ["a", "b"].map((name) => path.join(folder, `${name}.tar`)) as [string, string];
  for (const tar of tars) await writeTar(tar, mixedEntries());
  const out = path.join(folder, "index");
  const { manifest } = await indexSources({ sources: tars, out, workers: 1 });
  assert.deepEqual(await verify(out), { samples: 2 * samples, shards: 2, corrupt: [] });
  const bytes = readFileSync(tars[0]);
  const refused = async () => {
    for (const rebuild of [true, false]) {
      assert.deepEqual(await found(out, rebuild), ["SOURCE_CHANGED a.tar"]);
      // Of the changed one, those that are stored.
      assert.equal((await verify(out, { rebuild })).samples, samples + stored);
    }
    await rejectsWith("SOURCE_CHANGED", () => openDataset(out), /a\.tar/);
    await rejectsWith("SOURCE_CHANGED", () => exportImages({ manifest, out: path.join(folder, "x") }), /a\.tar/);
  };
  utimesSync(tars[0], indexedAt, indexedAt);
  await refused();
  truncateSync(tars[0], bytes.length - 512);
  await refused();
  rmSync(tars[0]);
  await refused();
});

test("files of class folders that are gone or others now are named, one by one", async (t) => {
  const { folder, source, out } = await makeIndex(t, "class folders");
  rmSync(path.join(source, "cat", "0001.jpg"));
  writeFileSync(path.join(source, "cat", "0002.jpg"), Buffer.alloc(100_000, makeJpeg(cmykKind)));
  truncateSync(path.join(source, "cat/more/of them/0003.jpg"), 500);
  const before = (await readManifest(out)).samples;
  assert.deepEqual(await found(out), [
    "NOT_FOUND 0001.jpg cat/0001",
    "CHECKSUM_MISMATCH 0002.jpg cat/0002",
    "IO_ERROR 0003.jpg cat/more/of them/0003",
  ]);
  assert.equal((await verify(out)).samples, before - 3);
  renameSync(source, `${source}-away`);
  assert.deepEqual(await found(out), ["SOURCE_CHANGED source"]);
  await rejectsWith("SOURCE_CHANGED", () => exportImages({ manifest: out, out: path.join(folder, "x") }));
});

test("a seek file that is missing, or described otherwise by the sidecar, is found", async (t) => {
  const { out } = await makeIndex(t);
  const sidecar = path.join(out, "shard-00000-00000.json");
  const text = readFileSync(sidecar, "utf8");
  writeFileSync(sidecar, text.replace(/("seek":.*?"samples":)14/, "$113"));
  assert.deepEqual(await found(out), ["BAD_MANIFEST shard-00000-00000.json"]);
  writeFileSync(sidecar, text.replace(/"source":0/, '"source":1'));
  assert.deepEqual(await found(out), ["BAD_MANIFEST shard-00000-00000.json"]);
  writeFileSync(sidecar, text);
  rmSync(seekFile(out));
  assert.deepEqual(await found(out), ["MISSING_SHARD shard-00000-00000.seek"]);
  await rejectsWith("NOT_FOUND", () => openDataset(out));
});

/** Numbers of a sample in an open block: those of SampleRow in block.cc. */
const [headerBytes, rowNumbers] = [16, 14];
const numberAt = (sample: number, number: number) => headerBytes + 4 * (rowNumbers * sample + number);
const [fileBytes, widthOf, crcOf, dataOf] = [2, 3, 8, 12];

test("a seek file that describes files otherwise than they are is found, though every checksum is right", async (t) => {
  const { folder, out } = await makeIndex(t);
  const good = path.join(folder, "good");
  cpSync(out, good, { recursive: true });
  const forge = async (change: (view: DataView, block: Uint8Array) => void) => {
    cpSync(good, out, { recursive: true });
    forgeSeekFile(out, (block) => change(new DataView(block.buffer, block.byteOffset, block.length), block));
    return found(out);
  };
  const add = (at: number, value: number) => (view: DataView) =>
    view.setUint32(at, view.getUint32(at, true) + value, true);
  assert.deepEqual(await forge(() => {}), []);
  // The checksum of its first row.
  const rowCrc = (view: DataView, block: Uint8Array) => {
    const at = view.getUint32(numberAt(2, dataOf), true);
    block[at] = (block[at] as number) ^ 1;
  };
  assert.deepEqual(await forge(rowCrc), ["CORRUPT_INDEX shard-00000-00000.arrow 0002"]);
  assert.deepEqual(await forge(add(numberAt(2, crcOf), 1)), ["CORRUPT_INDEX shard-00000-00000.arrow 0002"]);
  await rejectsWith("CORRUPT_INDEX", () => openDataset(out), /another file than in the index/);
  assert.deepEqual(await forge(add(numberAt(2, widthOf), -1)), ["CORRUPT_INDEX shard-00000-00000.arrow 0002"]);
  await rejectsWith("CORRUPT_INDEX", () => openDataset(out), /others in the index/);
  assert.deepEqual(await forge(add(numberAt(2, fileBytes), 1)), ["CHECKSUM_MISMATCH source.tar 0002"]);
  const far = forge(add(numberAt(2, 1), 1)); // 4 GiB further on
  assert.deepEqual(await far, ["CORRUPT_INDEX shard-00000-00000.seek"]);
  await rejectsWith("CORRUPT_INDEX", () => openDataset(out), /of a source of/);
});

test("an index.arrow that says otherwise than the files is found, sample by sample", async (t) => {
  const { out } = await makeIndex(t);
  const records = await readRecords(out);
  const stays = records.findIndex(({ flags }) => flags === recordFlags.inSource);
  const { index } = await openDataset(out);
  const write = (change: (record: SampleRecord) => object) => {
    const builder = new SampleIndexBuilder();
    for (const [i, record] of records.entries()) {
      const start = (index.layout[i] as number) * (index.layouts.length / new Set(index.layout).size);
      const tables = record.components.map(
        (_, c) => new Uint16Array(index.layouts.slice(start + 130 * c + 2, start + 130 * (c + 1)).buffer),
      );
      const quantTables = Uint16Array.from(tables.flatMap((table) => [...table]));
      builder.add({ ...record, quantTables, ...(i === stays ? change({ ...record, quantTables }) : {}) });
    }
    writeFileSync(path.join(out, "index.arrow"), builder.finish());
    sealDataset(out);
  };
  write(() => ({}));
  assert.deepEqual(await found(out), []);
  const changes: Record<string, (record: SampleRecord) => object> = {
    "a step of a table": ({ quantTables }) => ({ quantTables: quantTables.map((q, i) => (i === 9 ? q + 1 : q)) }),
    width: ({ width }) => ({ width: width - 1 }),
    checksum: ({ imageCrc32c }) => ({ imageCrc32c: imageCrc32c ^ 1 }),
    sampling: ({ components }) => ({ components: components.map((component) => ({ ...component, h: 2 })) }),
    length: () => ({ packed: new Uint8Array(3) }),
  };
  for (const [name, change] of Object.entries(changes)) {
    write(change);
    const [only, ...rest] = await found(out);
    assert.match(only ?? "", new RegExp(`^CORRUPT_INDEX .* ${records[stays]?.key}$|^CORRUPT_INDEX index.arrow$`), name);
    assert.deepEqual(rest, [], name);
  }
});

test("statistics that are not those of the files are found", async (t) => {
  const { out } = await makeIndex(t);
  const file = path.join(out, "shard-00000-00000.json");
  const sidecar = JSON.parse(readFileSync(file, "utf8")) as { statistics: string[] };
  sidecar.statistics[3] = String(2 * Number(sidecar.statistics[3]) + 1);
  writeFileSync(file, JSON.stringify(sidecar));
  assert.deepEqual((await found(out)).sort(), ["BAD_MANIFEST manifest.json", "BAD_MANIFEST shard-00000-00000.arrow"]);
});

test("numbers and places of a manifest that cannot be are refused", async (t) => {
  const { out } = await makeIndex(t);
  const { folder, url, ...good } = await readManifest(out);
  type Changeable = { -readonly [Key in keyof Seek]: Seek[Key] };
  type Seek = NonNullable<Manifest["shards"][number]["seek"]>;
  const changed = (change: (seek: Changeable, manifest: LoadedManifest) => void) => {
    const copy = structuredClone(good) as LoadedManifest;
    change(copy.shards[0]?.seek as Changeable, copy);
    return JSON.stringify(copy);
  };
  const refused = (message: RegExp, change: Parameters<typeof changed>[0]) =>
    rejectsWith("BAD_MANIFEST", () => parseManifest(changed(change), url), message);
  const [block] = good.shards[0]?.seek?.blocks ?? [];
  const one = block as Seek["blocks"][number];
  await refused(/no source 1 of a known kind/, (seek) => {
    seek.source = 1;
  });
  await refused(/no source 0 of a known kind/, (_, { sources }) => {
    delete sources[0]?.kind;
  });
  await refused(/in class folders, but have no names/, (_, { sources }) => {
    (sources[0] as { kind: string }).kind = "class-folders";
  });
  await refused(/in a tar, but have names/, (seek) => {
    seek.extensions = [{ extension: ".jpg", samples: seek.samples }];
  });
  await refused(/block 1 begins before/, (seek) => {
    seek.blocks = [one, one];
  });
  await refused(/block 0 ends at byte/, (seek) => {
    seek.blocks = [{ ...one, byteLength: 2 ** 40 }];
  });
  await refused(/129 samples, expected 1 to 128/, (seek) => {
    seek.blocks = [{ ...one, samples: 129 }];
  });
  await refused(/15 samples in their source stated, 14 in blocks/, (seek) => {
    seek.samples++;
  });
  await refused(/100 samples in their source, 20 in all/, (seek) => {
    seek.samples = 100;
    seek.blocks = [{ ...one, samples: 100 }];
  });
  await refused(/which is not the name of a file in its folder/, (seek) => {
    seek.name = "../x.seek";
  });
  const text = changed(() => {});
  for (const remote of ["s3://bucket/index/manifest.json", "https://127.0.0.1:1/manifest.json"]) {
    await rejectsWith(
      "BAD_MANIFEST",
      () => parseManifest(text, remote),
      /on this machine, while it comes from a service/,
    );
    configureStorage({ allowOutside: true });
    assert.equal(parseManifest(text, remote).samples, samples);
    configureStorage({});
  }
  assert.equal(parseManifest(text, url).folder, folder);
});

test("counts of files that do not agree with the records are found before anything is rendered", async (t) => {
  const { out } = await makeIndex(t);
  sealDataset(out, ({ shards }) => {
    const seek = shards[0]?.seek as { samples: number; blocks: readonly { readonly samples: number }[] };
    seek.samples--;
    seek.blocks = seek.blocks.map((block) => ({ ...block, samples: block.samples - 1 }));
  });
  await rejectsWith("CORRUPT_INDEX", () => openDataset(out), /14 samples without coefficients, of which 13/);
  await rejectsWith("CORRUPT_INDEX", () => exportImages({ manifest: out, out: `${out}.tar` }), /14 samples/);
  assert.ok((await found(out)).includes("CORRUPT_INDEX shard-00000-00000.seek"));
});

test("a key of the index does not lead out of the folder that files are in", async (t) => {
  const { out } = await makeIndex(t, "class folders");
  const records = await readRecords(out);
  const stays = records.findIndex(({ flags }) => flags === recordFlags.inSource);
  for (const key of ["../../x", "/etc/x", "s3://bucket/x"]) {
    const builder = new SampleIndexBuilder();
    for (const [i, record] of records.entries()) builder.add(i === stays ? { ...record, key } : record);
    writeFileSync(path.join(out, "index.arrow"), builder.finish());
    sealDataset(out);
    await rejectsWith("CORRUPT_INDEX", () => openDataset(out), /cannot be a file of its source/);
  }
});

test("export copies nothing from a source but the JPEGs that were recorded", async (t) => {
  const { folder, source, out } = await makeIndex(t, "class folders");
  const secret = path.join(source, "cat", "0000.jpg");
  const length = statSync(secret).size;
  writeFileSync(secret, Buffer.alloc(length, "a secret "));
  const files = path.join(folder, "files");
  // Whoever does not know what is in it cannot name its checksum.
  await rejectsWith("CHECKSUM_MISMATCH", () => exportImages({ manifest: out, out: files }), /0000\.jpg, cat\/0000/);
  // Whoever does gets no file that is not a JPEG.
  const number = (await readRecords(out)).filter(({ flags }) => flags === recordFlags.inSource);
  const at = number.findIndex(({ key }) => key === "cat/0000");
  const [was, is] = [Buffer.alloc(4), Buffer.alloc(4)];
  was.writeUInt32LE(number[at]?.imageCrc32c as number);
  is.writeUInt32LE(crc32c(readFileSync(secret)));
  const shard = readFileSync(shardFile(out));
  is.copy(shard, shard.indexOf(was));
  writeFileSync(shardFile(out), shard);
  const manifest = forgeSeekFile(out, (block) => is.copy(block, numberAt(at, crcOf)));
  const report = await exportImages({ manifest, out: files });
  assert.deepEqual(
    report.refusals.map(({ code, key }) => [code, key]),
    [["CORRUPT_RECORD", "cat/0000"]],
  );
  assert.ok(!(await namesIn(path.join(files, "cat"))).includes("0000.jpg"));
});
