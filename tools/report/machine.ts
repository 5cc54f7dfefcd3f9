// Where and how figures of a page were measured.
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { publicUrls } from "../../src/public-url.js";
import { version } from "../../src/version.js";
import { formatBytes } from "../options/quantity.js";
import type { Cores } from "../profile/stage.js";
import { percent, rate } from "../profile/verdict.js";
import { factTable, section } from "./page.js";

/** The command, the machine and what it can do: without them figures mean nothing. */
export function machineSection(seconds: number, cores: Cores, limits: Readonly<Record<string, number>>): string {
  const facts: (readonly [string, string])[] = [
    ["command", ["dctstream", ...process.argv.slice(2)].map(publicUrls).map(quoted).join(" ")],
    ["measured for", `${seconds.toFixed(1)} s, ${new Date().toISOString().slice(0, 19).replace("T", " ")} UTC`],
    [
      "processor",
      `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? "an unknown processor"}; ${percent(cores.busy)} busy, ${percent(cores.own)} with this${cores.msPerImage > 0 ? `; ${cores.msPerImage.toFixed(3)} ms of a core per image` : ""}`,
    ],
    ["memory", formatBytes(totalmem())],
    ["system", `${platform()} ${release()} ${arch()}, Node ${process.versions.node}, dctstream ${version}`],
    ...Object.entries(limits).map(([name, value]) => [limitName(name), limitValue(name, value)] as const),
  ];
  return section("Where this was measured", factTable(facts));
}

/** A word as a shell takes it. */
const quoted = (word: string) => (/^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** shardReadBytesPerSecond -> "shard read". */
const limitName = (name: string) =>
  name
    .replace(/(Bytes|Images|Gmacs)PerSecond$|Ms$/, "")
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .trim();

function limitValue(name: string, value: number): string {
  if (name.endsWith("BytesPerSecond")) return `${formatBytes(Math.round(value))}/s`;
  if (name.endsWith("GmacsPerSecond")) return `${value.toFixed(0)} billion multiply-accumulates/s`;
  return name.endsWith("Ms") ? `${value.toFixed(1)} ms` : `${rate(value)} images/s`;
}
