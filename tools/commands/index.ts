// All commands, in the order of --help.
import type { Command, CommandGroup } from "../command.js";
import { convertCommand } from "./convert.js";
import { demoCommand } from "./demo.js";
import { evaluateCommand } from "./evaluate.js";
import { exportCommand } from "./export.js";
import { inspectCommand } from "./inspect.js";
import { networksCommand } from "./networks.js";
import { predictCommand } from "./predict.js";
import { preprocessCommand } from "./preprocess.js";
import { profileCommands } from "./profile/index.js";
import { trainCommand } from "./train.js";
import { verifyCommand } from "./verify.js";

export const commands: readonly (Command | CommandGroup)[] = [
  preprocessCommand,
  verifyCommand,
  inspectCommand,
  exportCommand,
  trainCommand,
  evaluateCommand,
  predictCommand,
  networksCommand,
  profileCommands,
  convertCommand,
  demoCommand,
];
