// Other settings, predicted and then run: whether the model can be trusted on this machine.
import { invalidOption } from "../../src/errors.js";
import { parseBytes } from "../../src/options/kinds.js";
import { sweepNames } from "../options/profile-options.js";
import { type Change, predict, type Station } from "./model.js";
import type { SweepRun } from "./stage.js";

export interface SweepSettings {
  readonly settings: Readonly<Record<string, string>>;
  readonly change: Change;
}

/** Every combination of what `--sweep workers=1,2 prefetch-bytes=64MiB,1GiB` lists; none without it. INVALID_OPTION. */
export function sweepFrom(
  { sweep: given = [] }: { readonly sweep?: readonly string[] | undefined },
  names: readonly string[] = sweepNames,
): SweepSettings[] {
  if (given.length === 0) return [];
  let all: SweepSettings[] = [{ settings: {}, change: {} }];
  for (const text of given) {
    const [, name = "", values = ""] = /^([a-z-]+)=(.+)$/.exec(text) ?? [];
    if (!names.includes(name)) throw invalidOption("sweep", `${names.join(" or ")}, such as workers=1,2,4`, text);
    if (all.some(({ settings }) => name in settings)) throw invalidOption("sweep", "each setting once", text);
    all = all.flatMap(({ settings, change }) =>
      values.split(",").map((value) => ({
        settings: { ...settings, [name]: value },
        change: { ...change, ...changeOf(name, value) },
      })),
    );
  }
  return all;
}

function changeOf(name: string, value: string): Change {
  if (name === "prefetch-bytes") {
    const prefetchBytes = parseBytes(value);
    if (prefetchBytes === undefined) throw invalidOption("sweep", "prefetch-bytes as sizes such as 64MiB", value);
    return { prefetchBytes };
  }
  const workers = Number(value);
  if (!(Number.isInteger(workers) && workers >= 1)) throw invalidOption("sweep", "workers as integers >= 1", value);
  return { workers };
}

/** The settings of a loader with the change. */
export function settingsOf(
  { workers, prefetchBytes }: Change,
  now: { readonly workers?: number | undefined; readonly prefetchBytes?: number | undefined },
) {
  return { workers: workers ?? now.workers, prefetchBytes: prefetchBytes ?? now.prefetchBytes };
}

/** `run` makes a run with a change and returns its images a second. */
export async function sweepThrough(
  station: Station,
  sweep: readonly SweepSettings[],
  run: (change: Change) => Promise<number>,
): Promise<SweepRun[]> {
  const runs: SweepRun[] = [];
  for (const { settings, change } of sweep)
    runs.push({ settings, predicted: predict(station, change), measured: await run(change) });
  return runs;
}
