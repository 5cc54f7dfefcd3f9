// Inside a worker thread: image files -> views, through their coefficients, exactly as if they had been stored in
// between.
import { toWire, type WireError } from "../../errors.js";
import { type JpegRecord, readJpeg, renderForm, unchangedColor, type ViewArray } from "../../native/index.js";
import { randomFor } from "../../shards/random.js";
import { slotArrays } from "../load/slot.js";
import { planView } from "../load/view.js";
import { isStorable, readStorable } from "../preprocess/convert.js";
import type { DirectAnswer, DirectTask } from "./direct-task.js";

const codec = "none";
/** Evaluation views draw nothing. */
const unused = randomFor(0, "direct");

/** A file's coefficients, or those of the JPEG that preprocess would store of it. */
function readImage(bytes: Uint8Array, maxPixels: number): Promise<JpegRecord> {
  return readStorable(bytes, { maxPixels, upright: false }, (file) => {
    const record = readJpeg(file, maxPixels, codec);
    return isStorable(record) ? record : undefined;
  });
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
