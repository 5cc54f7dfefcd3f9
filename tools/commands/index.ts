// All commands, in the order of --help. Each is loaded when it is asked for: most of the toolkit is of no use to most
// commands.
import type { CommandEntry, CommandGroup } from "../command.js";
import { profileCommands } from "../profile/commands.js";

export const commands: readonly (CommandEntry | CommandGroup)[] = [
  {
    usage: "preprocess <sources..>",
    describe: "Read images from tars or class folders once and write coefficient shards and a manifest",
    load: async () => (await import("./preprocess.js")).preprocessCommand,
  },
  {
    usage: "index <sources..>",
    describe: "Note how to decode parts of the images where they are, instead of a copy: train from tars as they lie",
    load: async () => (await import("./index-sources.js")).indexCommand,
  },
  {
    usage: "verify <manifest>",
    describe: "Check every checksum, count and record of a data set; exit 1 and the names if anything is off",
    load: async () => (await import("./verify.js")).verifyCommand,
  },
  {
    usage: "inspect <target>",
    describe: "Report what is inside a data set or a shard, or render one sample",
    load: async () => (await import("./inspect.js")).inspectCommand,
  },
  {
    usage: "export <manifest>",
    describe: "Rebuild the original JPEG files, byte for byte",
    load: async () => (await import("./export.js")).exportCommand,
  },
  {
    usage: "train [manifest]",
    describe: "Train a pixel or DCT network from a data set or from tars, or resume a run",
    load: async () => (await import("./train.js")).trainCommand,
  },
  {
    usage: "evaluate <checkpoint> <manifest>",
    describe: "Top-1, top-5, accuracy per class and the most frequent confusions of a trained network",
    load: async () => (await import("./evaluate.js")).evaluateCommand,
  },
  {
    usage: "predict <checkpoint> [files..]",
    describe: "Classify images with a trained network: one JSON line each, the likeliest classes first",
    load: async () => (await import("./predict.js")).predictCommand,
  },
  {
    usage: "networks [id]",
    describe: "List the networks: inputs, parameters, multiply-accumulates, receptive fields; the layers of one",
    load: async () => (await import("./networks.js")).networksCommand,
  },
  profileCommands,
  {
    usage: "convert <from> <to>",
    describe: "A checkpoint to a .safetensors file with PyTorch's names and layouts, or such a file to a checkpoint",
    load: async () => (await import("./convert.js")).convertCommand,
  },
  {
    usage: "demo",
    describe: "Make a small labelled JPEG set, preprocess it, train a pixel and a DCT network and write an HTML report",
    load: async () => (await import("./demo.js")).demoCommand,
  },
];
