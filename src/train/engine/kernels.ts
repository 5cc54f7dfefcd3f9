// TensorFlow's kernels by name, past tfjs: what its own operations compose of many passes, TensorFlow often has as one.
import type { Tensor, TensorInfo } from "@tensorflow/tfjs";
import type { Tf } from "./tensorflow.js";

interface Binding {
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_INT: number;
  readonly TF_FLOAT: number;
}

/** The part of the node backend that runs a kernel. */
interface NodeBackend {
  readonly binding: Binding;
  executeMultipleOutputs(name: string, attributes: unknown[], inputs: TensorInfo[], outputs: number): Tensor[];
}

export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** Runs kernels on the node backend. Results are tensors of the current tidy scope. */
export class Kernels {
  private readonly backend: NodeBackend;
  private readonly binding: Binding;

  constructor(readonly tf: Tf) {
    this.backend = tf.backend() as unknown as NodeBackend;
    this.binding = this.backend.binding;
  }

  run(name: string, attributes: Attribute[], inputs: readonly Tensor[]): Tensor {
    return this.runMany(name, attributes, inputs, 1)[0] as Tensor;
  }

  runMany(name: string, attributes: Attribute[], inputs: readonly Tensor[], outputs: number): Tensor[] {
    return this.backend.executeMultipleOutputs(name, attributes, inputs as Tensor[], outputs);
  }

  float(name: string, value: number): Attribute {
    return { name, type: this.binding.TF_ATTR_FLOAT, value };
  }

  int(name: string, value: number | readonly number[]): Attribute {
    return { name, type: this.binding.TF_ATTR_INT, value };
  }

  string(name: string, value: string): Attribute {
    return { name, type: this.binding.TF_ATTR_STRING, value };
  }

  bool(name: string, value: boolean): Attribute {
    return { name, type: this.binding.TF_ATTR_BOOL, value };
  }

  /** A type attribute that is float32. */
  float32(name: string): Attribute {
    return { name, type: this.binding.TF_ATTR_TYPE, value: this.binding.TF_FLOAT };
  }
}
