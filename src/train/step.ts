// One training step: gradients of a batch's loss, an update of every weight.
import type { NamedTensorMap, Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { ToolkitError } from "../errors.js";
import type { LoadedBatch } from "../pipeline/load/loader.js";
import { toTensors } from "./batch.js";
import type { Engine } from "./engine/engine.js";
import { variableOf } from "./engine/layer-graph.js";
import { crossEntropy } from "./evaluate.js";
import type { Network } from "./networks/build.js";
import { MomentumSgd } from "./optimizer.js";
import { learningRateAt, type Recipe } from "./recipe.js";

/** One network, its optimiser and what a step does with them. */
export class Stepper {
  private readonly optimizer: MomentumSgd;
  private readonly variables: Variable[];
  private readonly forward: (inputs: readonly Tensor[]) => Tensor;

  constructor(
    private readonly engine: Engine,
    private readonly network: Network,
    private readonly classes: number,
    private readonly recipe: Recipe,
  ) {
    this.optimizer = new MomentumSgd(engine, recipe);
    this.forward = engine.trainingPass(network.logits);
    this.variables = network.logits.trainableWeights.map(variableOf);
  }

  get tensorCount(): number {
    return this.engine.tf.memory().numTensors;
  }

  learningRate(step: number): number {
    return learningRateAt(this.recipe, step);
  }

  /** Returns the batch's loss before the update. NUMERIC_OVERFLOW. */
  async step(batch: LoadedBatch, index: number): Promise<number> {
    const { tf } = this.engine;
    const { inputs, labels, dispose } = toTensors(tf, batch, this.network.model);
    const loss = await this.update(inputs, labels, this.learningRate(index));
    dispose();
    if (Number.isFinite(loss)) return loss;
    throw new ToolkitError(
      "NUMERIC_OVERFLOW",
      `the loss is ${loss} at step ${index + 1}; lower the learning rate (--lr ${this.recipe.learningRate / 4})`,
    );
  }

  /** The same on tensors: inputs in the model's order, labels [n] int32. */
  async update(inputs: readonly Tensor[], labels: Tensor, learningRate: number): Promise<number> {
    const { tf } = this.engine;
    const loss = () => crossEntropy(tf, this.forward(inputs), labels, this.classes) as Scalar;
    const { value, grads } = tf.variableGrads(loss, this.variables);
    this.optimizer.apply(this.variables, grads as NamedTensorMap, learningRate);
    this.network.constrain();
    const [result] = await value.data();
    value.dispose();
    tf.dispose(grads);
    return result as number;
  }

  dispose(): void {
    this.optimizer.dispose();
  }
}
