// dctstream preprocess
import { availableParallelism } from "node:os";
import { invalidOption } from "../../src/errors.js";
import type { Codec, DecoderChoice, ResizeOptions } from "../../src/native/index.js";
import type { PreprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { type PreprocessReport, preprocess } from "../../src/pipeline/preprocess/preprocess.js";
import { argument, type Command } from "../command.js";
import { placeOf } from "../place.js";
import { withProgress } from "../progress.js";
import { formatBytes, parseSize } from "../quantity.js";

export const preprocessCommand: Command = {
  usage: "preprocess <sources..>",
  describe: "Read images from tars or class folders once and write coefficient shards and a manifest",
  options: (parser) =>
    parser
      .positional("sources", {
        type: "string",
        array: true,
        demandOption: true,
        describe:
          "Tars (WebDataset, ImageNet's tar of tars, flat, one synset; .tar.gz too), folders of tars or folders of class folders; {000..146} and globs expand",
      })
      .option("out", {
        type: "string",
        demandOption: true,
        requiresArg: true,
        describe: "Folder for the shards and the manifest, a path or s3://bucket/folder",
      })
      .option("compression", {
        choices: ["zstd", "none"] as const,
        default: "zstd",
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
          "File of the classes in index order: a synset and a name per line, or JSON. Default: the sources' synsets or folders, sorted",
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
      .option("max-image-bytes", {
        type: "string",
        default: "64MiB",
        requiresArg: true,
        describe: "Larger files are failures",
      })
      .option("on-error", {
        choices: ["skip", "fail"] as const,
        default: "skip",
        describe: "Skip and count bad samples, or stop at the first",
      })
      .option("max-errors", {
        type: "string",
        requiresArg: true,
        describe: "Stop after more failures than this: a number, or a share of the samples such as 0.1%",
      })
      .option("quarantine", {
        type: "string",
        requiresArg: true,
        describe: "Tar to put the files of failed samples in, to be repaired and fed back",
      })
      .option("rank", {
        type: "number",
        requiresArg: true,
        describe:
          "Which of --world-size machines this is; found out by itself under MPI, Slurm, Kubernetes and AWS Batch",
      })
      .option("world-size", { type: "number", requiresArg: true, describe: "How many machines share the work" })
      .option("merge", {
        type: "boolean",
        default: false,
        describe: "Read nothing, only write the manifest of what all ranks have written",
      })
      .option("overwrite", { type: "boolean", default: false, describe: "Replace the data set that is in --out" })
      .example("$0 preprocess 'train-{000000..000146}.tar' --out shards", "147 WebDataset tars to shards"),
  run: async (args, context) => {
    return withProgress(context, "preprocess", async (progress) => {
      const merge = argument<boolean>(args, "merge");
      const report = await preprocess({
        ...(merge ? {} : placeOf(args, process.env)),
        merge,
        sources: argument<string[]>(args, "sources"),
        out: argument<string>(args, "out"),
        codec: argument<Codec>(args, "compression"),
        maxShardBytes: parseSize("shard-bytes", argument<string>(args, "shardBytes")),
        workers: argument<number>(args, "workers"),
        classes: argument<string | undefined>(args, "classes"),
        labels: argument<string | undefined>(args, "labels"),
        labelField: argument<string | undefined>(args, "labelField"),
        orient: argument<"ignore" | "apply">(args, "orient"),
        ...parseResize(args),
        decoder: argument<DecoderChoice>(args, "decoder"),
        maxPixels: argument<number>(args, "maxPixels"),
        maxImageBytes: parseSize("max-image-bytes", argument<string>(args, "maxImageBytes")),
        onBadSample: argument<"skip" | "fail">(args, "onError"),
        maxErrors: parseLimit(argument<string | undefined>(args, "maxErrors")),
        quarantine: argument<string | undefined>(args, "quarantine"),
        overwrite: argument<boolean>(args, "overwrite"),
        signal: context.signal,
        onProgress: ({ bytesRead, totalBytes, samples, failed }) =>
          progress.update(bytesRead, totalBytes, `${samples} samples, ${failed} failed`),
      });
      return { result: report, text: describe(report) };
    });
  },
};

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

function describe(report: PreprocessReport): string {
  const errors = Object.entries(report.errors).sort(([, a], [, b]) => b - a);
  return [
    report.alreadyDone
      ? "nothing to do: this data set is complete"
      : `${report.samples} samples in ${report.seconds.toFixed(1)} s (${report.imagesPerSecond} images/s), ${report.failed} failed`,
    ...errors.map(([code, count]) => `  ${code.padEnd(28)} ${count}`),
    ...(report.failed > 0 ? ["  each of them is in errors.jsonl beside the manifest"] : []),
    ...(report.converted > 0
      ? [`${report.converted} converted: their colours or format cannot be stored losslessly`]
      : []),
    ...(report.storage.retries > 0
      ? [`${report.storage.retries} of ${report.storage.requests} storage requests had to be made again`]
      : []),
    `${formatBytes(report.inputBytes)} of images -> ${formatBytes(report.outputBytes)} in ${report.shards} shards (x ${(report.outputBytes / report.inputBytes).toFixed(3)})`,
    report.complete
      ? `manifest: ${report.manifest}`
      : "this rank's part is done; the last rank to finish writes the manifest, or --merge",
  ].join("\n");
}
