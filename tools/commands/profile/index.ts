// dctstream profile: where the time goes.
import type { CommandGroup } from "../../command.js";
import { profileCompareCommand } from "./compare.js";
import { profileNetworkCommand } from "./network.js";
import { profilePreprocessCommand } from "./preprocess.js";
import { profileReadCommand } from "./read.js";
import { profileStorageCommand } from "./storage.js";
import { profileTrainCommand } from "./train.js";

export const profileCommands: CommandGroup = {
  usage: "profile",
  describe: "Where the time goes: of preprocessing, reading, storage, a network's steps or a training run",
  commands: [
    profilePreprocessCommand,
    profileReadCommand,
    profileNetworkCommand,
    profileTrainCommand,
    profileStorageCommand,
    profileCompareCommand,
  ],
};
