// Assignment to variables whose rank is not known where they are assigned to.
import type { Tensor, Variable } from "@tensorflow/tfjs";

/** Gives the variable a value of its own shape. A cast, because tfjs's types ask for the variable's own rank. */
export function assign(variable: Variable, value: Tensor): void {
  variable.assign(value as never);
}
