// How much of a processor's time a command takes before it does anything, beside Node itself.
//
//   node dist/bench/startup.js
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { medianOf } from "../tools/profile/quantile.js";
import { usually } from "./settings.js";

const program = fileURLToPath(new URL("../tools/dctstream.js", import.meta.url));
const repeats = usually(9, 1);

/** Tells the time of the process that loads it, when that ends. */
const hook = `data:text/javascript,process.on("exit",()=>process.stderr.write("cpu "+JSON.stringify(process.cpuUsage())))`;

function cpuMs(args: readonly string[]): number {
  const { stderr } = spawnSync(process.execPath, ["--import", hook, ...args], { encoding: "utf8" });
  const found = /cpu (\{.*\})/.exec(stderr)?.[1];
  if (found === undefined) throw new Error(`${args.join(" ")} has not ended by itself: ${stderr}`);
  const { user, system } = JSON.parse(found) as NodeJS.CpuUsage;
  return (user + system) / 1000;
}

const median = (args: readonly string[]) => medianOf(Array.from({ length: repeats }, () => cpuMs(args)));

const floor = median(["-e", "0"]);
console.log(`node -e 0: ${floor.toFixed(0)} ms of CPU`);
for (const args of [["--version"], ["--help"], ["verify", "--help"], ["preprocess", "--help"], ["train", "--help"]]) {
  const time = median([program, ...args]);
  console.log(
    `${path.basename(program, ".js")} ${args.join(" ")}: ${time.toFixed(0)} ms, ${(time / floor).toFixed(1)} x`,
  );
}
