// The memory of a batch: one shared buffer that workers fill and the trainer reads without copying; and the form of
// what is in it.
import { misalignment, type PixelScaling, type ViewArray, type ViewForm } from "../../native/index.js";
import type { FrequencyStatistics } from "../../shards/statistics.js";
import { keptFrequencies } from "./frequencies.js";
import type { ViewOptions } from "./view.js";

/** ImageNet's channel means and deviations, in 0..255: what pixel networks are fed since AlexNet's successors. */
const imagenet = { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] } as const;

const scalingOf = ({
  mean,
  std,
}: {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}): PixelScaling => {
  const [a, b, c] = std.map((deviation) => 1 / deviation) as [number, number, number];
  const [x, y, z] = mean as [number, number, number];
  return { scale: [a, b, c], bias: [-x * a, -y * b, -z * c] };
};

export const imagenetScaling: PixelScaling = scalingOf(imagenet);

/** An array of a batch. */
export interface NamedArray {
  /** "y", "cb", "cr", "rgb" or "ycbcr". */
  readonly name: string;
  readonly data: ViewArray;
  /** One number per axis. */
  readonly shape: readonly number[];
  readonly axes: readonly ["sample", "row", "column", "frequency" | "channel"];
}

/**
 * Tensor libraries take 64-byte aligned memory as it is and copy everything else; and whole cache lines are written
 * twice as fast.
 */
const alignment = 64;
const aligned = (bytes: number) => Math.ceil(bytes / alignment) * alignment;

const typedArrays = { float32: Float32Array, int16: Int16Array, uint8: Uint8Array } as const;

/** What the kernels must know of a batch; `frequencies` are the statistics of its data set. */
export function formOf(view: ViewOptions, frequencies: readonly FrequencyStatistics[]): ViewForm {
  const { kind, size, type = "float32", chroma = "half" } = view;
  const normalize = view.normalize ?? (kind === "rgb" && type === "float32" ? "imagenet" : "none");
  const form = { type, width: size, height: size, chromaStep: chroma === "half" ? 2 : 1 } as const;
  if (kind === "dct")
    return {
      ...form,
      kind,
      color: "ycbcr",
      kept: keptFrequencies(view.frequencies),
      tables: tablesOf(normalize, frequencies),
    };
  const scaling =
    normalize === "imagenet" ? imagenetScaling : typeof normalize === "object" ? scalingOf(normalize) : undefined;
  return { ...form, kind: "pixels", color: kind, scaling };
}

/** Tables [scale, bias][3][64]; frequencies that never vary are only shifted. */
function tablesOf(
  normalize: NonNullable<ViewOptions["normalize"]>,
  frequencies: readonly FrequencyStatistics[],
): Float32Array | undefined {
  if (normalize === "none" || normalize === "imagenet") return undefined;
  const tables = new Float32Array(2 * 3 * 64);
  for (let component = 0; component < 3; component++) {
    for (let k = 0; k < 64; k++) {
      const [mean, std] =
        normalize === "dataset"
          ? [frequencies[component]?.mean[k] ?? 0, frequencies[component]?.std[k] ?? 1]
          : [normalize.mean[component] as number, normalize.std[component] as number];
      const scale = std > 0 ? 1 / std : 1;
      tables[component * 64 + k] = scale;
      tables[192 + component * 64 + k] = -mean * scale;
    }
  }
  return tables;
}

interface Plane {
  readonly name: string;
  readonly rows: number;
  readonly depth: number;
}

/** The arrays of a view; each row and column of one holds `depth` values. */
function planesOf({ kind, width, chromaStep, color, kept }: ViewForm): Plane[] {
  if (kind === "pixels") return [{ name: color, rows: width, depth: 3 }];
  return ["y", "cb", "cr"].map((name, i) => ({
    name,
    rows: width / (i === 0 ? 8 : 8 * chromaStep),
    depth: kept?.[i]?.length ?? 64,
  }));
}

const valuesOf = ({ rows, depth }: Plane) => rows * rows * depth;

/** Bytes of one view. */
export function viewBytes(form: ViewForm): number {
  const { BYTES_PER_ELEMENT: bytes } = typedArrays[form.type];
  return planesOf(form).reduce((sum, plane) => sum + valuesOf(plane) * bytes, 0);
}

/** Bytes of the shared buffer that holds a batch. */
export function slotBytes(form: ViewForm, batchSize: number): number {
  const { BYTES_PER_ELEMENT: bytes } = typedArrays[form.type];
  return planesOf(form).reduce((sum, plane) => sum + aligned(valuesOf(plane) * batchSize * bytes), alignment);
}

/** The arrays of a slot. */
export function slotArrays(slot: SharedArrayBuffer, form: ViewForm, batchSize: number): NamedArray[] {
  const Typed = typedArrays[form.type];
  let offset = (alignment - misalignment(slot, alignment)) % alignment;
  return planesOf(form).map((plane) => {
    const { name, rows, depth } = plane;
    const data: ViewArray = new Typed(slot as never, offset, valuesOf(plane) * batchSize);
    offset += aligned(data.byteLength);
    const last = form.kind === "dct" ? "frequency" : "channel";
    return { name, data, shape: [batchSize, rows, rows, depth], axes: ["sample", "row", "column", last] };
  });
}
