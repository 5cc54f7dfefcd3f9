// TensorFlow reads a tensor that was made from a JavaScript array in that very array. Kernels that write into a
// variable must not write there: the array belongs to the code that made it.
import type { Variable } from "@tensorflow/tfjs";
import { assign } from "./assign.js";
import type { Kernels } from "./kernels.js";

export class PrivateMemory {
  private readonly known = new WeakSet<object>();

  constructor(private readonly kernels: Kernels) {}

  /** Gives the variable memory of its own, unless it has it already since its last assignment. */
  claim(variable: Variable): Variable {
    if (!this.known.has(variable.dataId)) {
      assign(variable, this.kernels.run("DeepCopy", [this.kernels.float32("T")], [variable]));
      this.known.add(variable.dataId);
    }
    return variable;
  }
}
