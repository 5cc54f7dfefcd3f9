// dctstream inspect
import { PNG } from "pngjs";
import { invalidOption } from "../../src/errors.js";
import { text } from "../../src/options/kinds.js";
import { complete, optionTable } from "../../src/options/table.js";
import { preprocessOptions } from "../../src/pipeline/preprocess/options.js";
import { printable } from "../../src/printable.js";
import { recordFlags } from "../../src/shards/flags.js";
import { findSample, type Inspection, inspect, renderSample, samplingName } from "../../src/shards/inspect.js";
import { putObject } from "../../src/storage/objects.js";
import { type CommandResult, defineCommand } from "../command.js";
import { formatBytes } from "../options/quantity.js";

const inspectOptions = optionTable({
  target: { kind: text, required: true, describe: "A manifest, the folder that holds it, or one .arrow shard" },
  key: { kind: text, describe: "Look at this sample instead of counting" },
  png: { kind: text, describe: "Render the sample of `key` into this file" },
  maxPixels: {
    ...preprocessOptions.maxPixels,
    describe: "Samples with more are not rendered, as in verify",
    group: "Options",
  },
});

export const inspectCommand = defineCommand({
  options: inspectOptions,
  run: async (options) => {
    const { target, key, png, maxPixels } = complete(inspectOptions, options);
    if (png !== undefined && key === undefined) throw invalidOption("png", "given together with `key`", png);
    return key === undefined ? summarise(await inspect(target)) : lookAt(target, key, png, maxPixels);
  },
});

async function lookAt(target: string, key: string, png: string | undefined, maxPixels: number): Promise<CommandResult> {
  const found = await findSample(target, key, maxPixels);
  const { sample, codec } = found;
  if (png !== undefined) await putObject(png, encodePng(renderSample(found, maxPixels), sample.width, sample.height));
  const { label, width, height, components, warnings, flags } = sample;
  const result = {
    key,
    label,
    width,
    height,
    sampling: samplingName(sample),
    components,
    warnings,
    flags,
    packedBytes: sample.packed.length,
    codec,
    ...(png === undefined ? {} : { png }),
  };
  const lines = [
    `${printable(key)}: label ${label}, ${width} x ${height}, ${samplingName(sample)}, ${formatBytes(sample.packed.length)} of coefficients (${codec})`,
  ];
  if ((flags & recordFlags.inSource) !== 0) lines.push("its file stayed in its source and was read there");
  if (warnings > 0) lines.push(`libjpeg warned ${warnings} times about this file`);
  if (png !== undefined) lines.push(`rendered to ${printable(png)}`);
  return { result, text: lines.join("\n") };
}

function encodePng(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const options = { colorType: 2, inputColorType: 2, inputHasAlpha: false } as const; // RGB without transparency
  const png = new PNG({ width: 1, height: 1 }); // which would fill its own memory otherwise
  png.width = width;
  png.height = height;
  png.data = Buffer.from(rgb.buffer, rgb.byteOffset, rgb.byteLength);
  return PNG.sync.write(png, options);
}

const ranked = (counts: Readonly<Record<string, number>>) => Object.entries(counts).sort(([, a], [, b]) => b - a);

function summarise(inspection: Inspection): CommandResult {
  const { samples, classes, bytes, codec, width, height } = inspection;
  const [luma, cb, cr] = inspection.frequencies ?? [];
  const lines = [
    `${samples} samples of ${classes} classes, ${formatBytes(bytes)}, compression ${codec}`,
    `size        ${width.min}..${width.max} x ${height.min}..${height.max} pixels`,
    `sampling    ${ranked(inspection.sampling)
      .map(([name, count]) => `${name}: ${count}`)
      .join(", ")}`,
    `kept raw    ${inspection.rawStored}   progressive ${inspection.progressive}   with libjpeg warnings ${inspection.withWarnings}`,
    `converted   ${inspection.converted}   resized ${inspection.resized}`,
  ];
  if (inspection.inSources > 0) lines.push(`in sources  ${inspection.inSources}`);
  if (inspection.errors !== undefined)
    lines.push(
      `failed      ${inspection.failed}${ranked(inspection.errors)
        .map(([code, count]) => `  ${printable(code)}: ${count}`)
        .join("")}`,
    );
  if (luma && cb && cr) {
    lines.push("", "standard deviation of the dequantised coefficients, by frequency (luma, 8 x 8):");
    for (let row = 0; row < 8; row++)
      lines.push(
        luma.std
          .slice(8 * row, 8 * row + 8)
          .map((value) => value.toFixed(1).padStart(7))
          .join(""),
      );
    lines.push(`DC mean     Y ${luma.mean[0]?.toFixed(1)}  Cb ${cb.mean[0]?.toFixed(1)}  Cr ${cr.mean[0]?.toFixed(1)}`);
  }
  return { result: inspection, text: lines.join("\n") };
}
