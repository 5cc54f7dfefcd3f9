// A labels file: the label of each image by its name, or one per line.
import { ToolkitError } from "../../errors.js";
import { readText } from "../../storage/objects.js";
import { lastPart } from "./entry-names.js";

export type LabelsFile =
  /** One label per line; the images in name order take them in turn. */
  | { readonly kind: "lines"; readonly labels: readonly string[] }
  | { readonly kind: "named"; readonly labels: ReadonlyMap<string, string> };

/**
 * Reads a labels file: `name,label` on every line (a header line may stand first), or one label per line. Names match
 * an image's file name, with or without its extension. BAD_LABELS when it is empty or names an image twice.
 */
export async function readLabels(url: string): Promise<LabelsFile> {
  const text = await readText(url);
  if (text === undefined) throw new ToolkitError("NOT_FOUND", "no such labels file", { source: url });
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new ToolkitError("BAD_LABELS", "the labels file is empty", { source: url });
  const rows = lines.map(
    (line) => /^\s*"?([^",]+?)"?\s*,\s*"?([^",]+?)"?\s*$/.exec(line)?.slice(1) as [string, string] | undefined,
  );
  if (rows[0] === undefined) return { kind: "lines", labels: lines.map((line) => line.trim()) };
  const isHeader = /^(name|file|filename|image|imageid|key|path)$/i.test(rows[0][0]);
  const labels = new Map<string, string>();
  for (const [i, row] of rows.entries()) {
    if (i === 0 && isHeader) continue;
    if (row === undefined)
      throw new ToolkitError("BAD_LABELS", `line ${i + 1}: expected name,label, found ${JSON.stringify(lines[i])}`, {
        source: url,
      });
    const [name, label] = [lastPart(row[0]), row[1]];
    if (labels.has(name))
      throw new ToolkitError("BAD_LABELS", `line ${i + 1}: ${name} is named twice`, { source: url });
    labels.set(name, label);
  }
  return { kind: "named", labels };
}

/**
 * Labels by name for one per line, in the order of the names. BAD_LABELS when there are not as many labels as images.
 */
export function assignLines(labels: readonly string[], url: string, entries: readonly string[]): Map<string, string> {
  const names = entries.map(lastPart).sort();
  if (labels.length !== names.length)
    throw new ToolkitError("BAD_LABELS", `${labels.length} labels for ${names.length} images`, { source: url });
  return new Map(names.map((name, i) => [name, labels[i] as string]));
}

/** Looks a file up with or without its extension. */
export function lookUpName(labels: ReadonlyMap<string, string>): (entry: string) => string | undefined {
  return (entry) => {
    const name = lastPart(entry);
    return labels.get(name) ?? labels.get(name.replace(/\.[^.]*$/, ""));
  };
}
