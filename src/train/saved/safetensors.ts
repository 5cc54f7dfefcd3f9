// The safetensors format: eight bytes of header length (little endian), a JSON header, the tensors' bytes. Pure.
import { z } from "zod";
import { ToolkitError } from "../../errors.js";

export interface StoredTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface StoredTensors {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Free text by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit on the header. */
const maxHeaderBytes = 100_000_000;

const bytesPerValue = { F32: 4, F16: 2, BF16: 2, F64: 8 } as const;

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});
const headerSchema = z.record(z.string(), z.union([entrySchema, z.record(z.string(), z.string())]));

export function encodeSafetensors({ tensors, metadata }: StoredTensors): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, values }] of tensors) {
    header[name] = { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header), "utf8");
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]); // values are mapped aligned
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const values = [...tensors.values()].map(
    ({ values: { buffer, byteOffset, byteLength } }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
  return Buffer.concat([length, padded, ...values]);
}

/** F32, F16, BF16 and F64 tensors as float32. BAD_CHECKPOINT for anything that is not a whole file of this format. */
export function parseSafetensors(bytes: Uint8Array, source: string): StoredTensors {
  const bad = (message: string) => new ToolkitError("BAD_CHECKPOINT", `safetensors: ${message}`, { source });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8) throw bad(`expected at least 8 bytes, found ${bytes.length}`);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > maxHeaderBytes || 8 + headerBytes > bytes.length)
    throw bad(`a header of ${headerBytes} bytes does not fit a file of ${bytes.length}`);
  const header = parseHeader(Buffer.from(bytes.buffer, bytes.byteOffset + 8, headerBytes).toString("utf8"), bad);
  const data = new DataView(bytes.buffer, bytes.byteOffset + 8 + headerBytes, bytes.length - 8 - headerBytes);
  const tensors = new Map<string, StoredTensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") metadata = entry as Record<string, string>;
    else tensors.set(name, readTensor(data, name, entry, bad));
  }
  return { tensors, metadata };
}

type Bad = (message: string) => ToolkitError;

function parseHeader(text: string, bad: Bad): z.infer<typeof headerSchema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw bad(`the header is not JSON: ${(cause as Error).message}`);
  }
  const parsed = headerSchema.safeParse(json);
  if (!parsed.success) throw bad(`the header is malformed at ${parsed.error.issues[0]?.path.join(".")}`);
  return parsed.data;
}

function readTensor(data: DataView, name: string, entry: unknown, bad: Bad): StoredTensor {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw bad(`the entry of ${name} is malformed`);
  const { dtype, shape, data_offsets: offsets } = parsed.data;
  const [start, end] = offsets;
  const width = bytesPerValue[dtype as keyof typeof bytesPerValue];
  if (width === undefined) throw bad(`${name} is ${dtype}, expected F32, F16, BF16 or F64`);
  const count = shape.reduce((product, size) => product * size, 1);
  if (end > data.byteLength || end - start !== count * width)
    throw bad(`${name} of shape [${shape}] does not fit bytes ${start} to ${end} of ${data.byteLength}`);
  // Little endian, as this processor keeps it.
  if (dtype === "F32") return { shape, values: new Float32Array(copyOf(data, start, end)) };
  return { shape, values: Float32Array.from({ length: count }, (_, i) => readValue(data, start + i * width, dtype)) };
}

const copyOf = ({ buffer, byteOffset }: DataView, start: number, end: number) =>
  buffer.slice(byteOffset + start, byteOffset + end) as ArrayBuffer;

function readValue(data: DataView, at: number, dtype: string): number {
  switch (dtype) {
    case "F64":
      return data.getFloat64(at, true);
    case "F16":
      return halfToNumber(data.getUint16(at, true));
    default:
      return bfloatToNumber(data.getUint16(at, true));
  }
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const scratch = new DataView(new ArrayBuffer(4));

function bfloatToNumber(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}
