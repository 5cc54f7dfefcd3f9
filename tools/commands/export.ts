// dctstream export
import { fromWire } from "../../src/errors.js";
import { text } from "../../src/options/kinds.js";
import { type ExportReport, exportImages } from "../../src/pipeline/export.js";
import { defineCommand } from "../command.js";
import { manifestOption } from "../options/read-options.js";
import { withProgress } from "../progress.js";

export const exportCommand = defineCommand({
  options: {
    ...manifestOption,
    out: { kind: text, required: true, describe: "A folder, or a .tar that also gets .cls and .json entries" },
  },
  run: async ({ manifest, out }, context) => {
    return withProgress(context, "export", async (progress) => {
      const report = await exportImages({
        manifest,
        out,
        signal: context.signal,
        onProgress: (exported, samples) => progress.update(exported, samples, `${exported} files`),
      });
      return { result: report, text: describe(report), ok: report.refused === 0 };
    });
  },
});

function describe({ exported, byteExact, renamed, retyped, refused, refusals, out }: ExportReport): string {
  const notes = [
    renamed > 0 ? `, ${renamed} renamed because their names were taken` : "",
    retyped > 0 ? `, ${retyped} called .jpg because that is what they are` : "",
  ];
  return [
    ...refusals.map((refusal) => fromWire(refusal).describe()),
    ...(refused > refusals.length ? [`and ${refused - refusals.length} more; verify lists all damage`] : []),
    `${exported} files in ${out}, ${byteExact} of them identical to the originals${notes.join("")}`,
    ...(refused > 0 ? [`${refused} records were refused`] : []),
  ].join("\n");
}
