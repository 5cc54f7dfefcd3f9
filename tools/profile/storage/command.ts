// dctstream profile storage
import { text } from "../../../src/options/kinds.js";
import { complete, optionTable } from "../../../src/options/table.js";
import { defineCommand } from "../../command.js";
import { profileOptions } from "../../options/profile-options.js";
import { formatBytes } from "../../options/quantity.js";
import { table } from "../../table.js";
import { writePage, writeTrace } from "../output.js";
import { Recording } from "../recording.js";
import { profileStorage, type StorageProfile } from "./measure.js";
import { renderStorage } from "./page.js";

const commandOptions = optionTable({
  url: {
    kind: text,
    required: true,
    describe: "A folder or a file with something to read, such as shards: a path, s3:// or https://",
  },
  ...profileOptions,
});

export const profileStorageCommand = defineCommand({
  options: commandOptions,
  examples: [["$0 profile storage s3://bucket/shards", ""]],
  run: async (options, { signal, log }) => {
    const recording = new Recording();
    const { url, seconds } = complete(commandOptions, options);
    const profile = await profileStorage(url, seconds, recording, signal);
    await writeTrace(recording, options, log);
    await writePage(options, log, () => renderStorage(profile));
    return { result: profile, text: describe(profile) };
  },
});

function describe({ verdict, patterns, objects, bytes, listMs, requests, retries, cores }: StorageProfile): string {
  const columns = ["a read of", "at a time", "bytes/s", "median", "p90", "p99", "reads"];
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const rows = patterns.map((pattern) => [
    formatBytes(pattern.readBytes),
    String(pattern.atOnce),
    formatBytes(Math.round(pattern.bytesPerSecond)),
    ms(pattern.p50),
    ms(pattern.p90),
    ms(pattern.p99),
    String(pattern.reads),
  ]);
  const trouble = requests > 0 ? `; ${requests} requests, ${retries} of them made again` : "";
  return [
    verdict,
    "",
    table(columns, rows, 0),
    `${objects} objects, ${formatBytes(bytes)}, listed in ${ms(listMs)}${trouble}; this process kept ${(100 * cores.own).toFixed(0)} % of ${cores.count} cores busy`,
  ].join("\n");
}
