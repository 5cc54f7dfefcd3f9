// The forward pass of training over a LayersModel, on the gradient tape: layers that belong together run as one fused
// operation, all others as tfjs runs them.
import type { LayersModel, Tensor, Variable } from "@tensorflow/tfjs";
import type { FusedOps } from "./fused-ops.js";
import {
  applyLayer,
  type Layer,
  type LayerGraph,
  type LayerNode,
  layerGraph,
  runSteps,
  type Step,
  soleConsumer,
  weightOf,
  worksOnChannels,
} from "./layer-graph.js";
import { gelu, layerNorm } from "./portable-ops.js";
import { syncedBatchNorm } from "./synced-batch-norm.js";
import type { Tf } from "./tensorflow.js";

/** What several processes that train one network must exchange. */
export interface PassHooks {
  /**
   * Called in the middle of the backward pass when a weight's gradient is complete, so that it can be sent away while
   * the rest is computed; not for weights of layers that tfjs runs itself. The gradient is valid during the call.
   */
  readonly onGradient?: ((weight: Variable, gradient: Tensor) => void) | undefined;
  /** Replaces values by their sum over all ranks: given, batch normalisation is over the samples of all of them. */
  readonly sumOverRanks?: ((values: Float32Array) => void) | undefined;
}

export class TrainingPass {
  private readonly graph: LayerGraph;
  private readonly steps: Step[] = [];

  /** Replaces only what is slow on every backend where `ops` is left out. */
  constructor(
    private readonly tf: Tf,
    private readonly ops: FusedOps | undefined,
    model: LayersModel,
    private readonly hooks: PassHooks = {},
  ) {
    this.graph = layerGraph(model);
    const done = new Set<number>(this.graph.inputs);
    for (const index of this.graph.nodes.keys()) {
      if (done.has(index)) continue;
      const step = this.stepFrom(index, done);
      this.steps.push(step);
      done.add(step.end);
    }
  }

  /** The model's output in training: batch statistics, dropout. Call it inside of what takes gradients. */
  run(inputs: readonly Tensor[]): Tensor {
    return runSteps(this.graph, this.steps, inputs);
  }

  private node(index: number): LayerNode {
    return this.graph.nodes[index] as LayerNode;
  }

  private stepFrom(index: number, done: Set<number>): Step {
    const { layer, kind, inputs } = this.node(index);
    const { ops } = this;
    switch (kind) {
      case "LayerNormalization":
        return this.layerNorm(index);
      case "Activation":
        if ((layer.getConfig() as { activation: string }).activation !== "gelu") break;
        return { inputs, end: index, run: ([x]) => gelu(this.tf, x as Tensor) };
    }
    if (kind === "BatchNormalization" && layer.outputShape.length === 4) return this.batchNorm(index, done);
    if (ops === undefined) return stock(layer, inputs, index);
    switch (kind) {
      case "Conv2D":
        return this.convolution(index, ops);
      case "ReLU":
        return { inputs, end: index, run: ([x]) => ops.relu(x as Tensor) };
      case "MaxPooling2D":
        return this.maxPool(index, ops);
      case "GlobalAveragePooling2D":
        return { inputs, end: index, run: ([x]) => ops.globalAveragePool(x as Tensor) };
    }
    return stock(layer, inputs, index);
  }

  private layerNorm(index: number): Step {
    const { layer, inputs } = this.node(index);
    const { epsilon } = layer.getConfig() as { epsilon: number };
    const [gamma, beta] = [weightOf(layer, "gamma"), weightOf(layer, "beta")];
    if (!worksOnChannels(layer) || gamma === undefined || beta === undefined) return stock(layer, inputs, index);
    return { inputs, end: index, run: ([x]) => layerNorm(this.tf, x as Tensor, gamma, beta, epsilon) };
  }

  private convolution(index: number, ops: FusedOps): Step {
    const { layer, inputs } = this.node(index);
    const { strides, padding, activation, dilationRate } = layer.getConfig() as {
      strides: [number, number];
      padding: string;
      activation: string;
      dilationRate: [number, number];
    };
    const kernel = weightOf(layer, "kernel");
    const plain = activation === "linear" && dilationRate.every((rate) => rate === 1);
    if (!plain || kernel === undefined || (padding !== "same" && padding !== "valid"))
      return stock(layer, inputs, index);
    const options = { strides, padding, inputGradient: this.isTrained(inputs[0] as number) } as const;
    const bias = weightOf(layer, "bias");
    return {
      inputs,
      end: index,
      run: ([x]) => {
        const y = ops.convolution(x as Tensor, this.watched(kernel), options);
        return bias === undefined ? y : y.add(this.watched(bias));
      },
    };
  }

  private maxPool(index: number, ops: FusedOps): Step {
    const { layer, inputs } = this.node(index);
    const { poolSize, strides, padding } = layer.getConfig() as {
      poolSize: [number, number];
      strides: [number, number];
      padding: string;
    };
    const square = poolSize[0] === poolSize[1] && strides[0] === strides[1];
    if (!square || padding !== "valid") return stock(layer, inputs, index);
    return { inputs, end: index, run: ([x]) => ops.maxPool(x as Tensor, poolSize[0], strides[0]) };
  }

  /** Whether anything at or before a node has weights that are trained. */
  private isTrained(index: number): boolean {
    const { layer, inputs } = this.node(index);
    return layer.trainableWeights.length > 0 || inputs.some((input) => this.isTrained(input));
  }

  /** Batch normalisation with the addition and the ReLU that follow it, where nothing else looks between them. */
  private batchNorm(index: number, done: Set<number>): Step {
    const { layer, inputs } = this.node(index);
    const weights = batchNormWeights(layer);
    const run = this.normalizer();
    if (weights === undefined || run === undefined) return stock(layer, inputs, index);
    const add = soleConsumer(this.graph, index, "Add");
    const operands = add === undefined ? [] : this.node(add).inputs;
    const residual = operands.find((operand) => operand !== index);
    const joins = add !== undefined && operands.length === 2 && residual !== undefined;
    const ready = joins && done.has(residual);
    // Of two normalised branches the one that comes last takes in the other.
    const joined = ready ? add : index;
    const relu = soleConsumer(this.graph, joined, "ReLU");
    const { epsilon, momentum } = layer.getConfig() as { epsilon: number; momentum: number };
    const options = { epsilon, momentum, relu: relu !== undefined };
    for (const covered of [index, joined]) done.add(covered);
    return {
      inputs: ready ? [...inputs, residual as number] : inputs,
      end: relu ?? joined,
      run: ([x, added]) => {
        const [gamma, beta] = [this.watched(weights.gamma), this.watched(weights.beta)];
        return run(x as Tensor, { ...weights, gamma, beta }, added, options);
      },
    };
  }

  /** Undefined: as tfjs does it. */
  private normalizer(): FusedOps["batchNorm"] | undefined {
    const { ops, tf } = this;
    const { sumOverRanks } = this.hooks;
    if (sumOverRanks !== undefined)
      return (x, weights, residual, options) => syncedBatchNorm(tf, x, weights, residual, options, sumOverRanks);
    return ops && ((x, weights, residual, options) => ops.batchNorm(x, weights, residual, options));
  }

  /** The weight itself, whose gradient is reported as soon as there is one. */
  private watched(weight: Variable): Tensor {
    const { onGradient } = this.hooks;
    if (onGradient === undefined) return weight;
    return this.tf.customGrad((value) => ({
      value: (value as Tensor).clone(),
      gradFunc: (gradient: Tensor | Tensor[]) => {
        onGradient(weight, gradient as Tensor);
        return gradient;
      },
    }))(weight);
  }
}

/** Undefined for a layer without a scale or an offset, and for one over another axis than the last. */
function batchNormWeights(layer: Layer) {
  const [gamma, beta] = [weightOf(layer, "gamma"), weightOf(layer, "beta")];
  const [movingMean, movingVariance] = [weightOf(layer, "movingMean"), weightOf(layer, "movingVariance")];
  if (!worksOnChannels(layer)) return undefined;
  return gamma && beta && movingMean && movingVariance && { gamma, beta, movingMean, movingVariance };
}

function stock(layer: Layer, inputs: readonly number[], end: number): Step {
  return {
    inputs,
    end,
    run: (values) => applyLayer(layer, values, { training: true }),
  };
}
