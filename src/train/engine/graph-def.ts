// TensorFlow graphs written from JavaScript: the few messages of tensorflow/core/framework that a frozen network needs,
// in protobuf's wire format (field numbers from graph.proto, node_def.proto, attr_value.proto, tensor.proto and
// saved_model.proto).

export type GraphType = "float32" | "bfloat16" | "int32";

/** An attribute of a node. */
export type GraphAttribute =
  | { readonly type: GraphType }
  | { readonly string: string }
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly bool: boolean }
  | { readonly tensor: Float32Array | Int32Array; readonly shape: readonly number[] }
  | { readonly anyShape: true };

const dataTypes = { float32: 1, int32: 3, bfloat16: 14 } as const;

/** Nodes in order; the methods append one and return its name, which is what other nodes take as an input. */
export class GraphBuilder {
  private readonly nodes: Uint8Array[] = [];
  private readonly names = new Set<string>();

  node(
    op: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, GraphAttribute>>,
  ): string {
    if (this.names.has(name)) throw new RangeError(`two nodes are called ${name}`);
    this.names.add(name);
    const attrs = Object.entries(attributes).map(([key, value]) =>
      message(5, concat([text(1, key), message(2, attributeValue(value))])),
    );
    this.nodes.push(
      message(1, concat([text(1, name), text(2, op), ...inputs.map((input) => text(3, input)), ...attrs])),
    );
    return name;
  }

  placeholder(name: string): string {
    return this.node("Placeholder", name, [], { dtype: { type: "float32" }, shape: { anyShape: true } });
  }

  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): string {
    const type = values instanceof Float32Array ? "float32" : "int32";
    return this.node("Const", name, [], { dtype: { type }, value: { tensor: values, shape } });
  }

  /** A saved model with the one graph, tagged "serve". */
  savedModel(): Uint8Array {
    const graph = concat([...this.nodes, message(4, int(1, 1))]); // versions.producer
    const meta = concat([message(1, text(4, "serve")), message(2, graph)]);
    return concat([int(1, 1), message(2, meta)]);
  }
}

function attributeValue(value: GraphAttribute): Uint8Array {
  if ("type" in value) return int(6, dataTypes[value.type]);
  if ("string" in value) return text(2, value.string);
  if ("int" in value) return int(3, value.int);
  if ("ints" in value) return message(1, bytesField(3, concat(value.ints.map(varint))));
  if ("float" in value) return concat([tag(4, 5), new Uint8Array(Float32Array.of(value.float).buffer)]);
  if ("bool" in value) return int(5, value.bool ? 1 : 0);
  if ("anyShape" in value) return message(7, int(3, 1)); // unknown_rank
  const { tensor, shape } = value;
  const type = tensor instanceof Float32Array ? "float32" : "int32";
  const sizes = concat(shape.map((size) => message(2, int(1, size))));
  const content = new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength);
  return message(8, concat([int(1, dataTypes[type]), message(2, sizes), bytesField(4, content)]));
}

/** Values below zero take ten bytes, as in two's complement of 64 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 128);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

const tag = (field: number, wireType: number) => varint((field << 3) | wireType);
const int = (field: number, value: number) => concat([tag(field, 0), varint(value)]);
const bytesField = (field: number, value: Uint8Array) => concat([tag(field, 2), varint(value.length), value]);
const message = bytesField;
const text = (field: number, value: string) => bytesField(field, Buffer.from(value, "utf8"));

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
