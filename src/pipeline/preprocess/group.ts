// Tar entries -> samples, by the WebDataset convention: neighbouring entries of one key belong together.
import { archiveMessage, baseOf, isArchiveName, isImageName, systemReason } from "./entry-names.js";
import { KeyRun } from "./key-run.js";
import { divisionOfInnerTar, type LabelRules } from "./label-rules.js";
import type { IgnoredEntry, SourceItem, SourceProblem } from "./sample.js";
import type { SkippedRun } from "./skipped-run.js";
import type { TarEntry } from "./tar-entry.js";

/**
 * Every entry becomes a sample or part of one, a problem, or is ignored for a reason. `skipped` are the files before
 * the first entry, where reading continues.
 */
export async function* groupByKey(
  entries: AsyncIterable<readonly TarEntry[]>,
  rules: LabelRules,
  division?: string,
  skipped?: SkippedRun,
): AsyncGenerator<readonly SourceItem[]> {
  let run: KeyRun | undefined;
  let before = skipped;
  for await (const part of entries) {
    const items: SourceItem[] = [];
    for (const entry of part) {
      const aside = asideOf(entry, rules);
      if (aside !== undefined) {
        if (run === undefined) {
          before?.addAside();
          items.push(aside);
        } else if (!run.setAside(aside)) {
          run.finish(items);
          run = undefined;
        }
        continue;
      }
      const base = baseOf(entry.path);
      if (run !== undefined && run.base !== base) {
        run.finish(items);
        run = undefined;
      }
      if (run === undefined) {
        run = new KeyRun(base, entry, rules, divisionOf(entry, division), before?.base === base ? before : undefined);
        before = undefined; // of the first run only
      }
      run.add(entry, items);
    }
    if (items.length > 0) yield items;
  }
  const items: SourceItem[] = [];
  run?.finish(items);
  if (items.length > 0) yield items;
}

function divisionOf({ archive }: TarEntry, division: string | undefined): string | undefined {
  return archive === undefined ? division : divisionOfInnerTar(archive);
}

/** What an entry is that cannot be part of a sample. */
function asideOf(entry: TarEntry, { imageField }: LabelRules): IgnoredEntry | SourceProblem | undefined {
  const { name, path, offset, kind, bytes, problem } = entry;
  if (bytes !== undefined) return undefined;
  if (isArchiveName(name)) {
    const { code, message } = problem ?? { code: "UNSUPPORTED_ENTRY", message: archiveMessage };
    return { problem: code, key: path, message, entry: name, offset, position: offset };
  }
  if (problem !== undefined) return undefined;
  const system = systemReason(name);
  // An image that is not read is another field of its sample, which has to know what fields it has.
  if (system === undefined && imageField !== undefined && kind === "file" && isImageName(name)) return undefined;
  const ofKind = { file: "not an image", link: "link", special: "not a regular file" } as const;
  return { ignored: system ?? ofKind[kind], position: offset };
}
