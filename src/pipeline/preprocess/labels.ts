// What a sample's companions say about its class.
import type { LabelResult } from "./sample.js";

const maxLabel = 2 ** 31 - 1;

function asIndex(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\s*\d+\s*$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= maxLabel
    ? number
    : undefined;
}

function parseObject(json: string | undefined): Record<string, unknown> | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined; // a broken companion is no reason to lose an image whose .cls is good; without one it shows below
  }
}

const asText = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);

/**
 * The class index from `.cls` (a number as text) or, without one, from the `label`, `cls` or `class` of `.json`; the class's name and
 * synset from `.json` where it has them.
 */
export function parseLabel(cls: string | undefined, json: string | undefined): LabelResult {
  const object = parseObject(json);
  const given = cls ?? object?.label ?? object?.cls ?? object?.class;
  if (given === undefined || given === null)
    return { problem: "MISSING_LABEL", message: "no .cls and no label in .json beside the image" };
  const index = asIndex(given);
  if (index === undefined)
    return { problem: "BAD_LABEL", message: `expected a class index, found ${JSON.stringify(given).slice(0, 80)}` };
  return { index, name: asText(object?.name ?? object?.class_name), synset: asText(object?.wnid ?? object?.synset) };
}
