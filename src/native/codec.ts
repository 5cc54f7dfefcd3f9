// Codecs by name and by number.
import { ToolkitError } from "../errors.js";
import { addon } from "./addon.js";
import { type Codec, codecs } from "./codec-names.js";

function numberOf(codec: Codec): number {
  const number = addon.codecs.indexOf(codec);
  if (number >= 0) return number;
  throw new ToolkitError("ADDON_MISSING", `the addon knows no codec ${codec}, only ${addon.codecs.join(", ")}`);
}

const numbers = Object.fromEntries(codecs.map((codec) => [codec, numberOf(codec)])) as Record<Codec, number>;

/** What the addon calls it. */
export const codecId = (codec: Codec): number => numbers[codec];
