// Data sets with something in them that is not so: seeded changes of Arrow bytes, indexes, manifests and records, with
// the checksums made right again or left wrong.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crc32c, sealedHeaderBytes } from "../../src/native/index.js";
import type { Manifest } from "../../src/shards/manifest.js";
import { type Random, randomFor } from "../../src/shards/random.js";
import { sealDataset } from "./forge.js";

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T;

const numbers = [0, 1, -1, -8, 7, 255, 65_535, 2 ** 16, 2 ** 28, 2 ** 31 - 1, -(2 ** 31)];

const deep = `${"[".repeat(5000)}${"]".repeat(5000)}`;

/** What a field of a JSON document may be set to, as JSON. */
const jsonValues = [
  ...["0", "-1", "1", "0.5", "2147483647", "4294967295", "4294967296", "9007199254740991", "1e308", "1e999", "null"],
  ...[
    "true",
    "[]",
    "{}",
    '""',
    '"../../x"',
    '"/etc/passwd"',
    '"http://127.0.0.1:1/x"',
    '"file:///etc/passwd"',
    '"\\u001b[2J"',
  ],
  ...['"__proto__"', `"${"x".repeat(100_000)}"`, deep, `[${"0,".repeat(10_000)}0]`],
];

/** Changes one file of the data set in `folder`. What was done comes back, in words. */
type Change = (folder: string, manifest: Manifest, random: Random) => string;

function changeBytes(file: string, random: Random, from: number, to: number): string {
  const bytes = readFileSync(file);
  const end = Math.min(to, bytes.length - 8);
  if (end <= from) return "nothing";
  const at = from + random.below(end - from);
  const value = random.below(4) === 0 ? Math.floor(random.next() * 2 ** 32) - 2 ** 31 : pick(random, numbers);
  if (random.below(3) === 0) bytes.writeBigInt64LE(BigInt(value) * (random.below(2) === 0 ? 1n : 2n ** 31n), at);
  else bytes.writeInt32LE(value, at - (at % 4) >= from ? at - (at % 4) : at);
  writeFileSync(file, bytes);
  return `${value} at byte ${at} of ${path.basename(file)}`;
}

const firstShard = (manifest: Manifest) => manifest.shards[0] as Manifest["shards"][number];

const changes: readonly Change[] = [
  function metadataOfBatch(folder, manifest, random) {
    const { offset, coefficients } = pick(random, firstShard(manifest).batches);
    return changeBytes(
      path.join(folder, firstShard(manifest).name),
      random,
      offset,
      offset + Math.min(1500, coefficients),
    );
  },
  function columnsOfBatch(folder, manifest, random) {
    const { offset, byteLength } = pick(random, firstShard(manifest).batches);
    return changeBytes(path.join(folder, firstShard(manifest).name), random, offset + 1400, offset + byteLength);
  },
  function headOfShard(folder, manifest, random) {
    const { name, batches } = firstShard(manifest);
    return changeBytes(path.join(folder, name), random, 0, batches[0]?.offset ?? 0);
  },
  function indexBytes(folder, manifest, random) {
    return changeBytes(path.join(folder, manifest.index.name), random, 0, manifest.index.byteLength);
  },
  function indexMetadata(folder, manifest, random) {
    const end = manifest.index.byteLength;
    return random.below(2) === 0
      ? changeBytes(path.join(folder, manifest.index.name), random, 0, 560)
      : changeBytes(path.join(folder, manifest.index.name), random, Math.max(0, end - 3000), end);
  },
  function seekBlock(folder, manifest, random) {
    const { seek } = firstShard(manifest);
    if (seek === undefined) return "nothing, for want of a seek file";
    const file = path.join(folder, seek.name);
    const { offset, byteLength } = pick(random, seek.blocks);
    const done = changeBytes(file, random, offset + sealedHeaderBytes, offset + byteLength);
    const bytes = readFileSync(file);
    bytes.writeUInt32LE(crc32c(bytes.subarray(offset + sealedHeaderBytes, offset + byteLength)), offset + 8);
    writeFileSync(file, bytes);
    return done;
  },
  function cutFile(folder, manifest, random) {
    const name = pick(random, [
      firstShard(manifest).name,
      manifest.index.name,
      "manifest.json",
      "shard-00000-00000.json",
    ]);
    const bytes = readFileSync(path.join(folder, name));
    const length = random.below(bytes.length);
    writeFileSync(path.join(folder, name), bytes.subarray(0, length));
    return `${name} cut at byte ${length}`;
  },
  (folder, _manifest, random) => changeJson(path.join(folder, "manifest.json"), random),
  (folder, _manifest, random) => changeJson(path.join(folder, "manifest.json"), random),
  (folder, _manifest, random) => changeJson(path.join(folder, "shard-00000-00000.json"), random),
];

/** Sets a field, anywhere in the document, to something else. */
function changeJson(file: string, random: Random): string {
  const document = JSON.parse(readFileSync(file, "utf8")) as object;
  const places: (readonly [holder: Record<string, unknown>, name: string])[] = [];
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > 6) return;
    // Of long lists the first values are like all others.
    for (const name of Object.keys(value).slice(0, 12)) {
      places.push([value as Record<string, unknown>, name]);
      visit((value as Record<string, unknown>)[name], depth + 1);
    }
  };
  visit(document, 0);
  const [holder, name] = pick(random, places);
  const marker = "a place for what JSON.stringify would not write";
  holder[name] = marker;
  const value = pick(random, jsonValues);
  writeFileSync(
    file,
    JSON.stringify(document).replace(JSON.stringify(marker), () => value),
  );
  return `${name} = ${value.slice(0, 40)} in ${path.basename(file)}`;
}

/** Makes the data set in `folder`, a good one, the `number`-th of a seed's. What was done comes back. */
export function mutate(folder: string, seed: number, number: number): string {
  const random = randomFor(seed, "mutation", number);
  const manifest = JSON.parse(readFileSync(path.join(folder, "manifest.json"), "utf8")) as Manifest;
  const done = [pick(random, changes)(folder, manifest, random)];
  // One that contradicts itself is mostly refused at once: most have one thing that is not so.
  if (random.below(4) === 0) {
    try {
      done.push(pick(random, changes)(folder, manifest, random));
    } catch {
      done.push("nothing more"); // a document is cut, or too deep for this program
    }
  }
  if (random.below(5) > 0) {
    try {
      sealDataset(folder);
      done.push("checksums right");
    } catch {
      done.push("checksums as they were"); // a document is not even JSON any more
    }
  }
  return done.join("; ");
}
