// Inside a worker thread: image files -> views, through their coefficients, exactly as if they had been stored in
// between.
import { toWire, type WireError } from "../../errors.js";
import { type JpegRecord, readJpeg, renderForm, unchangedColor, type ViewArray } from "../../native/index.js";
import { randomFor } from "../../shards/random.js";
import { foreignFormat } from "../foreign/format.js";
import { slotArrays } from "../load/slot.js";
import { planView } from "../load/view.js";
import { convertForeign, convertOrRefuse, isStorable, mayStillDecode } from "../preprocess/convert.js";
import type { DirectAnswer, DirectTask } from "./direct-task.js";

const codec = "none";
/** Evaluation views draw nothing. */
const unused = randomFor(0, "direct");

/**
 * A file's coefficients; those of colours that views do not know and of other formats after a conversion, as preprocess
 * stores them.
 */
async function readImage(bytes: Uint8Array, maxPixels: number): Promise<JpegRecord> {
  const format = foreignFormat(bytes);
  if (format !== undefined) {
    const { file } = await convertForeign({ bytes, format, maxPixels, upright: false });
    return readJpeg(file, maxPixels, codec);
  }
  let refusal: unknown;
  try {
    const record = readJpeg(bytes, maxPixels, codec);
    if (isStorable(record)) return record;
  } catch (error) {
    if (!mayStillDecode(error)) throw error;
    refusal = error;
  }
  return readJpeg(convertOrRefuse(bytes, maxPixels, 0, refusal).file, maxPixels, codec);
}

export async function renderFiles({
  images,
  slot,
  firstRow,
  rows,
  view,
  form,
  maxPixels,
}: DirectTask): Promise<DirectAnswer> {
  const arrays = slotArrays(slot, form, rows).map(({ data }) => data);
  const errors: (WireError | undefined)[] = new Array(images.length).fill(undefined);
  for (const [i, bytes] of images.entries()) {
    const out = arrays.map((data): ViewArray => {
      const length = data.length / rows;
      return data.subarray((firstRow + i) * length, (firstRow + i + 1) * length);
    });
    try {
      const record = await readImage(bytes, maxPixels);
      const { x, y } = planView(record.width, record.height, view, unused);
      renderForm({ ...record, codec }, x, y, form, unchangedColor, out);
    } catch (error) {
      errors[i] = toWire(error);
      for (const array of out) array.fill(0);
    }
  }
  return errors;
}
