// Inputs of outsiders that once failed, and what is right for each: files of the same shape, and the very files where
// they lie beside the checkout.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { ErrorCode } from "../../src/error-codes.js";
import { readPixels } from "../../src/native/index.js";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { findSample } from "../../src/shards/inspect.js";
import { restoreJpeg } from "../../src/shards/restore.js";
import { rejectsWith } from "../support/errors.js";
import { extraCases, type TarEntries, tarBytes, temporaryFolder } from "../support/files.js";
import { readRecords } from "../support/forge.js";
import { jpegKinds, makeJpeg, withScansAgain } from "../support/jpegs.js";
import { asRgb, labTiff, pictureNamed, psnr } from "../support/pictures.js";

const jpeg = makeJpeg(jpegKinds[0] as (typeof jpegKinds)[number]);
const png = pictureNamed("alpha.png").file;

interface TarCase {
  /** Of the outsiders' tars, where they are. */
  readonly file: string;
  /** Our own of the same shape. */
  readonly bytes: () => Promise<Uint8Array>;
  readonly options?: Partial<PreprocessOptions>;
  /** Name and label of every record. */
  readonly samples: readonly (readonly [string, number])[];
  readonly errors?: Readonly<Record<string, number>>;
  readonly ignored?: Readonly<Record<string, number>>;
}

const labelled = (key: string, label: number, image: Uint8Array = jpeg, extension = "jpg"): TarEntries => [
  [`${key}.cls`, String(label)],
  [`${key}.${extension}`, image],
];
const tarOf = (...groups: readonly TarEntries[]) => tarBytes(groups.flat());
const packed = async (...groups: readonly TarEntries[]) => gzipSync(await tarOf(...groups));
const among = (entries: TarEntries) => packed(labelled("g", 1), entries, labelled("k", 0));
const endless =
  '<!--ftypavif--><svg xmlns="http://www.w3.org/2000/svg" width="9000" height="9000"><filter id="f"><feTurbulence numOctaves="200000"/></filter></svg>';

const stereo = () =>
  tarOf([
    ["000.cls", "1"],
    ["000.left.jpg", jpeg],
    ["000.right.jpg", jpeg],
  ]);

const accepted: readonly TarCase[] = [
  {
    file: "c01a_adjacent.tar",
    bytes: () => tarOf(labelled("a/000", 1), labelled("a/000", 7)),
    samples: [
      ["a/000.jpg", 1],
      ["a/000.jpg", 7],
    ],
  },
  {
    file: "c01b_png.tar",
    bytes: () => tarOf(labelled("000", 1, png, "png"), labelled("000", 7, png, "png")),
    samples: [
      ["000.png", 1],
      ["000.png", 7],
    ],
  },
  {
    file: "c01c_concatenated.tar",
    bytes: async () => Buffer.concat([await tarOf(labelled("000", 1)), await tarOf(labelled("000", 7))]),
    samples: [
      ["000.jpg", 1],
      ["000.jpg", 7],
    ],
  },
  {
    file: "c02b_mask_between.tar",
    bytes: () =>
      tarOf(
        ["000", "001"].flatMap((key, i) => [
          [`${key}.cls`, String(i + 1)] as const,
          [`${key}.depth.png`, png] as const,
          [`${key}.jpg`, jpeg] as const,
        ]),
      ),
    samples: [
      ["000.jpg", 1],
      ["001.jpg", 2],
    ],
    ignored: { "another field": 2 },
  },
  {
    file: "c02d_stereo.tar",
    bytes: stereo,
    options: { imageField: "left.jpg" },
    samples: [["000.left.jpg", 1]],
    ignored: { "another field": 1 },
  },
  {
    file: "c04_nan.tar",
    bytes: () =>
      tarOf([
        ["0.jpg", jpeg],
        ["0.json", '{"label": 3, "similarity": NaN}'],
      ]),
    samples: [["0.jpg", 3]],
  },
  {
    file: "c11a_dotdot.tar",
    bytes: () => tarOf(labelled("../img/0", 0), labelled("1", 1)),
    samples: [["1.jpg", 1]],
    errors: { BAD_KEY: 1 },
  },
  {
    file: "c11d_filefolder.tar",
    bytes: () => tarOf(labelled("a", 1), labelled("a.jpg/b", 1)),
    samples: [
      ["a.jpg", 1],
      ["a.jpg/b.jpg", 1],
    ],
  },
  { file: "c11e_png.tar", bytes: () => tarOf(labelled("a", 1, png, "png")), samples: [["a.png", 1]] },
  {
    file: "jpeg_big_scans.tar.gz",
    bytes: () => packed(labelled("g", 1), labelled("i0", 1, withScansAgain(3000, 2400, 90))),
    samples: [["g.jpg", 1]],
    errors: { TOO_MANY_SCANS: 1 },
  },
  ...[
    ["json_tostring.tar.gz", '{"label":{"toString":1,"valueOf":1}}'],
    ["json_deep.tar.gz", `{"label":${"[".repeat(200_000)}${"]".repeat(200_000)}}`],
  ].map(
    ([file = "", json = ""]): TarCase => ({
      file,
      bytes: () =>
        among([
          ["j0.jpg", jpeg],
          ["j0.json", json],
        ]),
      samples: [
        ["g.jpg", 1],
        ["k.jpg", 0],
      ],
      errors: { BAD_LABEL: 1 },
    }),
  ),
  {
    file: "svg_filter.tar.gz",
    bytes: () => packed(labelled("g", 1), labelled("i0", 1, Buffer.from(endless))),
    samples: [["g.jpg", 1]],
    errors: { NOT_A_JPEG: 1 },
  },
  {
    file: "three.tar.gz",
    bytes: async () => {
      const innermost = await tarBytes([0, 1, 2].map((i) => [`x${i}.jpg`, jpeg]));
      const inner = await tarBytes([
        ["n02.tar", innermost],
        ["m.jpg", jpeg],
      ]);
      return packed([["n01.tar", inner]]);
    },
    samples: [
      ["n01/n02/x0.jpg", 1],
      ["n01/n02/x1.jpg", 1],
      ["n01/n02/x2.jpg", 1],
      ["n01/m.jpg", 0],
    ],
  },
];

/** Our own file of a case, and the outsiders' where it is at hand. */
async function sourcesOf(folder: string, { file, bytes }: Pick<TarCase, "file" | "bytes">): Promise<string[]> {
  const own = path.join(folder, file);
  writeFileSync(own, await bytes());
  return [own, ...extraCases(path.join("tars", file))];
}

for (const { file, bytes, options, samples, errors = {}, ignored = {} } of accepted)
  test(`${file}: ${samples.length} records, ${JSON.stringify(errors)}`, async (t) => {
    const folder = temporaryFolder(t);
    for (const [i, source] of (await sourcesOf(folder, { file, bytes })).entries()) {
      const report = await preprocess({
        sources: [source],
        out: path.join(folder, `out-${i}`),
        workers: 1,
        ...options,
      });
      const records = await readRecords(report.manifest);
      const found = records.map(({ key, extension, label }) => [key + extension, label]);
      assert.deepEqual([found, report.errors, report.ignored], [samples, errors, ignored], source);
    }
  });

const refused: readonly (Pick<TarCase, "file" | "bytes"> & { code: ErrorCode; message: RegExp })[] = [
  { file: "c02d_stereo.tar", bytes: stereo, code: "NO_SAMPLES", message: /left\.jpg, right\.jpg.*`imageField`/ },
  {
    file: "c04i_mid.tar",
    bytes: () => tarOf(...[0, 1, 0, 1, 0, 300_000, 0, 1].map((label, i) => labelled(String(i), label))),
    code: "BAD_LABEL",
    message: /label 300000 .*`classes`.*, 5\)/,
  },
];

for (const { file, bytes, code, message } of refused)
  test(`${file}: ${code}, with what to do`, async (t) => {
    const folder = temporaryFolder(t);
    for (const [i, source] of (await sourcesOf(folder, { file, bytes })).entries()) {
      const run = () => preprocess({ sources: [source], out: path.join(folder, `out-${i}`), workers: 1 });
      await rejectsWith(code, run, message);
    }
  });

/** The outsiders' picture, ours of its kind, and the orientation that is kept; or the code of its failure. */
const pictures: readonly (readonly [file: string, own: Uint8Array, outcome: number | ErrorCode])[] = [
  ["lab-8x8-noicc.tif", labTiff, "BAD_IMAGE"],
  ["icc-64x48.png", pictureNamed("profile.png").file, 0],
  ["icc-64x48.jpg", pictureNamed("profile.jpg").file, 0],
  ["noicc-64x48.png", pictureNamed("interlaced.png").file, 0],
  ["cmyk.tif", pictureNamed("cmyk.tif").file, 1],
  ["transparent.gif", pictureNamed("alpha.gif").file, 0],
  ["transparent-palette.png", pictureNamed("palette-8.png").file, 0],
  ["00032_emptyexiftag.tif", pictureNamed("private-tags.tif").file, 1],
  ["orient6.jpg", pictureNamed("orientation.jpg").file, 6],
  ["orient6.png", pictureNamed("orientation.png").file, 6],
  ["orient6.webp", pictureNamed("orientation.webp").file, 6],
];

test("pictures of other kinds are converted by one rule, or refused", async (t) => {
  const folder = temporaryFolder(t);
  const store = async (name: string, files: readonly (readonly [string, Uint8Array])[]) => {
    const source = path.join(folder, `${name}.tar`);
    const keyOf = (file: string) => file.replaceAll(".", "-");
    writeFileSync(
      source,
      await tarOf(...files.map(([file, bytes]) => labelled(keyOf(file), 0, bytes, path.extname(file).slice(1)))),
    );
    const { manifest, errors } = await preprocess({ sources: [source], out: path.join(folder, name), workers: 1 });
    const codes = files.map(([file]) => pictures.find(([known]) => known === file)?.[2]);
    const failures = codes.filter((code) => typeof code === "string");
    assert.deepEqual(errors, Object.fromEntries(failures.map((code) => [code, 1])));
    for (const [i, [file]] of files.entries())
      if (typeof codes[i] === "number")
        assert.equal((await findSample(manifest, keyOf(file))).sample.orientation, codes[i], file);
    return async (file: string) => {
      const { sample, codec } = await findSample(manifest, keyOf(file));
      return asRgb(readPixels(restoreJpeg(sample, codec, manifest), 1e8));
    };
  };
  await store(
    "own",
    pictures.map(([file, own]) => [file, own]),
  );
  const theirs = pictures.flatMap(([file]) =>
    extraCases(path.join("foreign", file)).map((found) => [file, readFileSync(found)] as const),
  );
  if (theirs.length < pictures.length) return; // ours are all there is
  const pixels = await store("theirs", theirs);
  assert.ok(psnr(await pixels("icc-64x48.png"), await pixels("noicc-64x48.png")) > 60, "a profile changes nothing");
  assert.ok(psnr(await pixels("transparent.gif"), await pixels("transparent-palette.png")) > 40);
});
