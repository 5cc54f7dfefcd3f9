// Sources -> an index: how to decode any part of each file where it is, instead of a copy of its coefficients.
import path from "node:path";
import { ToolkitError } from "../../errors.js";
import { bytes } from "../../options/kinds.js";
import { omit, optionTable } from "../../options/table.js";
import { localPath } from "../../storage/disk/store.js";
import { isRemote } from "../../storage/url.js";
import { type PreprocessOptions, preprocessOptions, resolveOptions } from "./options.js";
import type { PreprocessReport } from "./report.js";
import { isGzipName } from "./source-bytes.js";
import { findSources, type Source } from "./sources.js";
import { writeDataset } from "./write-dataset.js";

export const indexOptions = optionTable({
  ...omit(preprocessOptions, ["resize", "decoder"]),
  /** Tars (.tar), folders of tars, or folders of class folders, that can be read in parts; braces and globs expand. */
  sources: {
    ...preprocessOptions.sources,
    describe:
      "Tars (WebDataset, ImageNet's tar of tars, flat, one synset), folders of tars or folders of class folders; {000..146} and globs expand",
  },
  /** The folder for the index and its manifest. */
  out: { ...preprocessOptions.out, describe: "Folder for the index, a path or s3://bucket/folder" },
  /** How the images are stored that cannot be decoded where they are. Default "zstd". */
  codec: { ...preprocessOptions.codec, describe: "How images are stored that cannot be decoded where they are" },
  /** A new part of the index begins after this many bytes. Default 16 MiB: that of 1.5 GB of images. */
  maxShardBytes: {
    ...preprocessOptions.maxShardBytes,
    kind: bytes(),
    default: 16 << 20,
    describe: "Start a new part of the index after this many bytes",
  },
});

/** What `indexSources` can be asked for: as preprocess, but for what changes images. */
export interface IndexOptions extends Omit<PreprocessOptions, "resize" | "decoder"> {}

/**
 * Reads every sample of the sources once and writes how to decode any part of it where it is: about a hundredth of the
 * images' bytes. What cannot be decoded so (progressive and other unusual JPEGs, other formats) is stored as preprocess
 * stores it. The result is a data set like any other, for as long as its sources stay as they are and where they are.
 *
 * Errors: preprocess's, and UNSUPPORTED_SOURCE for sources that can only be read from their beginning.
 *
 * @example
 * ```ts
 * import { indexSources } from "dctstream";
 *
 * const { samples, manifest } = await indexSources({ sources: ["s3://raw/train-*.tar"], out: "s3://me/train.index" });
 * console.log(`${samples} samples: ${manifest}`);
 * ```
 */
export async function indexSources(options: IndexOptions): Promise<PreprocessReport> {
  const { maxShardBytes = indexOptions.maxShardBytes.default } = options;
  const settings = resolveOptions({ ...options, maxShardBytes, ...unchangedImages }, "index");
  const sources = await findSources(options.sources);
  return writeDataset(options, settings, sources.map(enterable));
}

/** Files that stay where they are cannot be resized. */
const unchangedImages = { resize: undefined, decoder: undefined };

/** A source as whoever reads the index finds it again. UNSUPPORTED_SOURCE when nobody can. */
export function enterable(source: Source): Source {
  const { address, url } = source;
  const refuse = (why: string) => new ToolkitError("UNSUPPORTED_SOURCE", why, { source: url });
  if (isGzipName(address))
    throw refuse("a compressed tar can only be read from its beginning: unpack it (gunzip), or use preprocess");
  if (source.sequential === true)
    throw refuse("its server does not send parts of it: copy it to where it can be read in parts, or use preprocess");
  if (isRemote(address)) {
    if (address === url) return source;
    throw refuse("its URL has a query or a password, which an index does not keep: configure access instead");
  }
  const absolute = path.resolve(localPath(address));
  return { ...source, address: absolute, url: absolute };
}
