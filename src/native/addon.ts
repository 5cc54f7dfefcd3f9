// Finds and loads the addon and checks its version. The rest of this folder gives its functions names and types for the
// library.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ToolkitError } from "../errors.js";
import { loadAddonFile, setupCommand } from "./addon-file.js";
import type {
  BatchFailure,
  BatchSample,
  ColorChange,
  ComponentGeometry,
  EncodeOptions,
  JpegFacts,
  JpegPixels,
  PixelBox,
  SeekFacts,
  SimdLevel,
  ViewArray,
  ViewAxis,
} from "./shapes.js";

/**
 * Where each number stands in an array that the addon reads or writes; `numbers`: how many there are. The addon has
 * made it of its enums.
 */
export type Positions<Name extends string> = Readonly<Record<Name | "numbers", number>>;

/** The functions of the compiled file. Codecs are numbers of its list. */
export interface Addon {
  readonly version: number;
  readonly simd: SimdLevel;
  readonly bestSimd: SimdLevel;
  readonly rowsPerFrame: number;
  readonly codecs: readonly string[];
  readonly colorSpaces: readonly JpegFacts["colorSpace"][];
  readonly factAt: Positions<keyof JpegFacts | "grids">;
  readonly gridAt: Positions<keyof ComponentGeometry>;
  readonly seekFactAt: Positions<keyof SeekFacts>;
  readonly formAt: Positions<"kind" | "type" | "chromaStep" | "rgb" | "scale" | "bias" | "width" | "height">;
  readonly sampleAt: Positions<Exclude<keyof BatchSample, "gridAt">>;
  readonly axisAt: Positions<keyof ViewAxis>;
  readonly colorAt: Positions<keyof ColorChange>;
  readonly boxAt: Positions<keyof PixelBox>;
  readonly pairAt: Positions<"a" | "b" | "share" | "box">;
  readJpeg(
    bytes: Uint8Array,
    maxPixels: number,
    codec: number,
    libjpegOnly: boolean,
    facts: Float64Array,
    resize?: Int32Array,
  ): void;
  copyBytes(to: Uint8Array, from: Uint8Array): void;
  takePacked(out: Uint8Array): void;
  takeFile(out: Uint8Array): void;
  readPixels(bytes: Uint8Array, maxPixels: number, orientation: number): JpegPixels;
  readOrientation(bytes: Uint8Array): number;
  lockFile(descriptor: number): boolean;
  watchInterrupts(graceMs: number, status: number): boolean;
  setGrace(graceMs: number): void;
  unwatchInterrupts(): void;
  exitWithin(ms: number, status: number): boolean;
  holdTemporary(path: string): void;
  releaseTemporary(path: string): void;
  pack(coefficients: Int16Array, grids: Uint32Array, codec: number): Uint8Array<ArrayBuffer>;
  unpack(packed: Uint8Array, grids: Uint32Array, codec: number, simd?: SimdLevel): Int16Array;
  expandPacked(packed: Uint8Array, grids: Uint32Array, codec: number): Uint8Array<ArrayBuffer>;
  rebuildJpeg(
    header: Uint8Array,
    trailer: Uint8Array,
    packed: Uint8Array,
    grids: Uint32Array,
    codec: number,
  ): Uint8Array<ArrayBuffer>;
  encodeJpeg(
    pixels: Uint8Array,
    width: number,
    height: number,
    channels: number,
    options: EncodeOptions,
  ): Uint8Array<ArrayBuffer>;
  renderView(
    geometry: Int32Array,
    quant: Uint16Array,
    packed: Uint8Array,
    codec: number,
    form: Float64Array,
    axes: Float64Array,
    tables: Float32Array | undefined,
    kept: readonly Uint8Array[] | undefined,
    out: readonly ViewArray[],
  ): void;
  renderBatch(
    memory: readonly Uint8Array[],
    layouts: readonly Uint8Array[],
    blocks: readonly Uint8Array[],
    samples: Float64Array,
    form: Float64Array,
    tables: Float32Array | undefined,
    kept: readonly Uint8Array[] | undefined,
    out: readonly ViewArray[],
    views: number,
    pairs: Float64Array,
    replace: boolean,
    times: Float64Array | undefined,
  ): BatchFailure[] | undefined;
  buildSeekSample(
    jpeg: Uint8Array,
    maxPixels: number,
    spacing: number,
    facts: Float64Array,
  ): Uint8Array<ArrayBuffer> | string;
  sealSeekBlock(parts: readonly Uint8Array[], offsets: Float64Array): Uint8Array<ArrayBuffer>;
  openSeekBlock(sealed: Uint8Array): Uint8Array<ArrayBuffer>;
  takeSeekSample(block: Uint8Array, sample: number): Uint8Array<ArrayBuffer>;
  readSeekFacts(block: Uint8Array): Float64Array<ArrayBuffer>;
  bytesOfView(block: Uint8Array, sample: number, form: Float64Array, axes: Float64Array, out: Float64Array): void;
  checkSeekRows(block: Uint8Array, sample: number, bytes: Uint8Array, firstByte: number): boolean;
  threadCpuMs(): number;
  openFileLimit(): number;
  misalignment(bytes: Uint8Array, alignment: number): number;
  crc32c(bytes: Uint8Array, before: number): number;
}

const expectedVersion = 11;

function loadAddon(): Addon {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
  const file = path.join(root, "build", "Release", "dctstream.node");
  const addon = loadAddonFile(file, { code: "ADDON_MISSING" }) as Addon;
  if (addon.version === expectedVersion) return addon;
  throw new ToolkitError(
    "ADDON_MISSING",
    `${file} has version ${addon.version}, expected ${expectedVersion}; rebuild it with: ${setupCommand}`,
  );
}

export const addon = loadAddon();
