// dctstream profile: where the time goes.
import type { CommandGroup } from "../command.js";

export const profileCommands: CommandGroup = {
  usage: "profile",
  describe: "Where the time goes: of preprocessing, reading, storage, a network's steps or a training run",
  commands: [
    {
      usage: "preprocess <sources..>",
      describe: "Some seconds of preprocessing, again and again where the sources are short; what it writes is removed",
      load: async () => (await import("./preprocess/command.js")).profilePreprocessCommand,
    },
    {
      usage: "read <manifest>",
      describe: "The loader, with a consumer that takes every batch at once",
      load: async () => (await import("./read/command.js")).profileReadCommand,
    },
    {
      usage: "network <network>",
      describe: "Steps of a network on one batch in memory: the most that faster input could win",
      load: async () => (await import("./network/command.js")).profileNetworkCommand,
    },
    {
      usage: "train <manifest>",
      describe:
        "Some steps of a training run beside the stages that feed them, and what faster input or a faster device could win",
      load: async () => (await import("./train/command.js")).profileTrainCommand,
    },
    {
      usage: "storage <url>",
      describe:
        "What a disk or a service gives: latency and bytes a second, by the size of reads and how many at a time",
      load: async () => (await import("./storage/command.js")).profileStorageCommand,
    },
    {
      usage: "compare <manifest>",
      describe: "Pixels from JPEG, pixels from coefficients and DCT, each with a network of the same family",
      load: async () => (await import("./compare/command.js")).profileCompareCommand,
    },
  ],
};
