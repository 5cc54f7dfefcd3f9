// The options of preprocess that decide what is made of the sources, for every command that preprocesses.
import { availableParallelism } from "node:os";
import type { Argv } from "yargs";
import { invalidOption } from "../../src/errors.js";
import { type Codec, codecs, defaultCodec } from "../../src/native/codec-names.js";
import type { DecoderChoice, ResizeOptions } from "../../src/native/index.js";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { argument } from "../command.js";
import { parseSize } from "./quantity.js";

/** Of every command that reads image files. */
export const maxImageBytesOption = {
  type: "string",
  default: "64MiB",
  requiresArg: true,
  describe: "Larger files are failures",
} as const;

export function withPreprocessOptions(parser: Argv): Argv {
  return parser
    .positional("sources", {
      type: "string",
      array: true,
      demandOption: true,
      describe:
        "Tars (WebDataset, ImageNet's tar of tars, flat, one synset; .tar.gz too), folders of tars or folders of class folders; {000..146} and globs expand",
    })
    .option("compression", {
      choices: codecs,
      default: defaultCodec,
      describe: "zstd: about the JPEGs' size; none: twice that, several times faster to read",
    })
    .option("shard-bytes", {
      type: "string",
      default: "256MiB",
      requiresArg: true,
      describe: "Start a new shard after this many bytes",
    })
    .option("workers", {
      type: "number",
      default: availableParallelism(),
      requiresArg: true,
      describe: "Decoding threads; never changes the output",
    })
    .option("classes", {
      type: "string",
      requiresArg: true,
      describe:
        "File of the classes in index order: a synset and a name per line, or JSON; or how many there are, without names. Default: the sources' synsets or folders, sorted",
    })
    .option("labels", {
      type: "string",
      requiresArg: true,
      describe: "File of labels: name,label lines, or one label per line for the images in name order",
    })
    .option("label-field", {
      type: "string",
      requiresArg: true,
      describe: "Field of each sample's .json that is the label, such as meta.class",
    })
    .option("image-field", {
      type: "string",
      requiresArg: true,
      describe: "Which file of each sample is its image where it has several, such as left.jpg of 000.left.jpg",
    })
    .option("orient", {
      choices: ["ignore", "apply"] as const,
      default: "ignore",
      describe: "apply: turn images upright by their EXIF orientation, which re-encodes them",
    })
    .option("resize", {
      type: "number",
      requiresArg: true,
      describe: "Store images scaled to this shorter side instead of the files' own coefficients",
    })
    .option("crop", {
      type: "number",
      requiresArg: true,
      describe: "With --resize: keep the centred square of this side",
    })
    .option("quality", { type: "number", requiresArg: true, describe: "With --resize: JPEG quality, default 95" })
    .option("sampling", {
      choices: ["4:2:0", "4:4:4"] as const,
      requiresArg: true,
      describe: "With --resize: chroma sampling, default 4:2:0",
    })
    .option("decoder", {
      choices: ["auto", "libjpeg"] as const,
      default: "auto",
      describe: "libjpeg: read every file with libjpeg instead of our own decoder; the output is the same",
    })
    .option("max-pixels", {
      type: "number",
      default: 100_000_000,
      requiresArg: true,
      describe: "Images of more pixels are failures",
    })
    .option("max-image-bytes", maxImageBytesOption)
    .option("on-error", {
      choices: ["skip", "fail"] as const,
      default: "skip",
      describe: "Skip and count bad samples, or stop at the first",
    })
    .option("max-errors", {
      type: "string",
      requiresArg: true,
      describe: "Stop after more failures than this: a number, or a share of the samples such as 0.1%",
    });
}

export function preprocessOptionsFrom(
  args: Record<string, unknown>,
): Omit<PreprocessOptions, "out" | "workers"> & { readonly workers: number } {
  return {
    sources: argument<string[]>(args, "sources"),
    codec: argument<Codec>(args, "compression"),
    maxShardBytes: parseSize("shard-bytes", argument<string>(args, "shardBytes")),
    workers: argument<number>(args, "workers"),
    classes: argument<string | undefined>(args, "classes"),
    labels: argument<string | undefined>(args, "labels"),
    labelField: argument<string | undefined>(args, "labelField"),
    imageField: argument<string | undefined>(args, "imageField"),
    orient: argument<"ignore" | "apply">(args, "orient"),
    ...parseResize(args),
    decoder: argument<DecoderChoice>(args, "decoder"),
    maxPixels: argument<number>(args, "maxPixels"),
    maxImageBytes: parseSize("max-image-bytes", argument<string>(args, "maxImageBytes")),
    onBadSample: argument<"skip" | "fail">(args, "onError"),
    maxErrors: parseLimit(argument<string | undefined>(args, "maxErrors")),
  };
}

function parseResize(args: Record<string, unknown>): Pick<PreprocessOptions, "resize"> {
  const shorterSide = argument<number | undefined>(args, "resize");
  const details = {
    crop: argument<number | undefined>(args, "crop"),
    quality: argument<number | undefined>(args, "quality"),
    sampling: argument<ResizeOptions["sampling"] | undefined>(args, "sampling"),
  };
  const given = Object.entries(details).filter(([, value]) => value !== undefined);
  if (shorterSide !== undefined) return { resize: { shorterSide, ...Object.fromEntries(given) } };
  const [first] = given;
  if (first !== undefined) throw invalidOption(first[0], "given together with --resize", first[1]);
  return {};
}

/** A share stays text; the library checks both. */
function parseLimit(text: string | undefined): PreprocessOptions["maxErrors"] {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  if (/^[\d.]+%$/.test(text)) return text as `${number}%`;
  throw invalidOption("max-errors", "a number >= 0 or a share such as 1%", text);
}
