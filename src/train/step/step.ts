// One training step: gradients of a batch's loss, over its parts and over all ranks, and an update of every weight.
import type { NamedTensorMap, Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { ToolkitError } from "../../errors.js";
import type { LoadedBatch } from "../../pipeline/load/loaded-batch.js";
import type { Collective } from "../collective/collective.js";
import { GradientSum } from "../collective/gradient-sum.js";
import type { Engine } from "../engine/engine.js";
import { layerWeights, variableOf } from "../engine/layer-graph.js";
import type { Network } from "../networks/build.js";
import { type BatchInput, toTensors } from "./batch.js";
import { MomentumSgd } from "./optimizer.js";
import { learningRateAt, type Recipe } from "./recipe.js";
import { countOf, type LabelledBatch, targetsOf } from "./targets.js";
import { WeightAverage } from "./weight-average.js";

export interface StepSettings {
  readonly classes: number;
  readonly recipe: Recipe;
  readonly labelSmoothing: number;
  /** See TrainOptions. */
  readonly averageDecay: number | undefined;
  readonly syncBatchNorm: boolean;
  readonly collective: Collective;
  /** Whether this rank wants to stop; asked once a step. Default: never. */
  readonly wantsToStop?: (() => boolean) | undefined;
}

export interface StepResult {
  /** Means over the step's samples, of all ranks, before the update. */
  readonly loss: number;
  readonly top1: number;
  readonly samples: number;
  readonly learningRate: number;
  /** Undefined where gradients are not clipped. */
  readonly gradientNorm: number | undefined;
  /** Some rank wants to stop: all learn so with the same step. */
  readonly stop: boolean;
}

/** What a step takes of a batch. */
export type StepBatch = BatchInput & LabelledBatch & Pick<LoadedBatch, "keys" | "release">;

/** One network, its optimiser and what a step does with them. */
export class Stepper {
  readonly optimizer: MomentumSgd;
  readonly average: WeightAverage | undefined;
  private readonly variables: readonly Variable[];
  private readonly indexOf: ReadonlyMap<Variable, number>;
  private readonly forward: (inputs: readonly Tensor[]) => Tensor;
  /** Undefined in a run of one process. */
  private readonly sum: GradientSum | undefined;
  /** The gradients of the parts so far, in a run of one process. */
  private gradients: Tensor[] | undefined;
  private lastPart = true;
  /** Loss, correct guesses and samples of the step so far; and at its end, how many ranks want to stop. */
  private readonly tally = new Float32Array(4);

  constructor(
    private readonly engine: Engine,
    private readonly network: Network,
    private readonly settings: StepSettings,
  ) {
    const { collective, syncBatchNorm, recipe, averageDecay } = settings;
    this.variables = network.logits.trainableWeights.map(variableOf);
    this.indexOf = new Map(this.variables.map((variable, i) => [variable, i]));
    this.optimizer = new MomentumSgd(engine, recipe, this.variables);
    if (averageDecay !== undefined) {
      const all = layerWeights(network.model).map(({ variable }) => variable);
      this.average = new WeightAverage(engine.tf, all, averageDecay);
    }
    const many = collective.size > 1;
    if (many)
      this.sum = new GradientSum(
        collective,
        this.variables.map(({ size }) => size),
      );
    this.forward = engine.trainingPass(network.logits, {
      onGradient: many ? (weight, gradient) => this.hand(weight, gradient) : undefined,
      sumOverRanks: many && syncBatchNorm ? (values) => collective.sumNow(values) : undefined,
    });
  }

  get tensorCount(): number {
    return this.engine.tf.memory().numTensors;
  }

  /**
   * One step over its parts, as they come. `planned`: samples of the step, of all parts and ranks; `index` counts
   * from 0. The batches are released. NUMERIC_OVERFLOW, naming the step, its learning rate and its samples; the weights
   * are then not to be used any more.
   */
  async step(parts: AsyncIterable<StepBatch>, partCount: number, planned: number, index: number): Promise<StepResult> {
    const { tf } = this.engine;
    const learningRate = learningRateAt(this.settings.recipe, index);
    this.tally.fill(0);
    const seen: StepBatch[] = [];
    let part = 0;
    for await (const batch of parts) {
      this.lastPart = ++part === partCount;
      seen.push(batch);
      if (batch.samples > 0) {
        const { inputs, dispose } = toTensors(tf, batch, this.network.model);
        await this.accumulate(inputs, batch, planned);
        dispose();
      } else this.sum?.skipPart(this.lastPart);
      batch.release();
    }
    return this.finish(planned, index, learningRate, () => seen.flatMap(({ keys }) => keys));
  }

  /** A step of one part that is in tensors already: inputs in the model's order. */
  async stepOn(inputs: readonly Tensor[], batch: LabelledBatch, index: number): Promise<StepResult> {
    const rate = learningRateAt(this.settings.recipe, index);
    this.tally.fill(0);
    this.lastPart = true;
    const planned = batch.samples * this.settings.collective.size;
    await this.accumulate(inputs, batch, planned);
    return this.finish(planned, index, rate, () => []);
  }

  /** Adds the gradients of one part. */
  private async accumulate(inputs: readonly Tensor[], batch: LabelledBatch, planned: number): Promise<void> {
    const { tf } = this.engine;
    const { classes, labelSmoothing } = this.settings;
    const rows = targetsOf(batch, { classes, smoothing: labelSmoothing, weight: 1 / planned });
    const targets = tf.tensor2d(rows, [batch.samples, classes]);
    let guesses: Tensor | undefined;
    const loss = () => {
      const logits = this.forward(inputs);
      guesses = tf.keep(tf.tidy(() => tf.argMax(logits, -1)));
      return tf.neg(tf.sum(tf.mul(targets, tf.logSoftmax(logits)))) as Scalar;
    };
    const { value, grads } = tf.variableGrads(loss, [...this.variables]);
    this.take(grads as NamedTensorMap);
    const [part] = await value.data();
    const guessed = await (guesses as Tensor).data();
    tf.dispose([value, targets, guesses as Tensor]);
    this.count((part as number) * planned, guessed, batch);
  }

  private count(loss: number, guessed: ArrayLike<number>, batch: LabelledBatch): void {
    const { tally } = this;
    let correct = 0;
    for (let i = 0; i < batch.samples; i++) if (guessed[i] === batch.labels[i]) correct++;
    for (const [i, value] of [loss, correct, countOf(batch)].entries()) tally[i] = (tally[i] as number) + value;
  }

  /** Called in the middle of the backward pass, where a weight's gradient is complete. */
  private hand(weight: Variable, gradient: Tensor): void {
    this.sum?.add(this.indexOf.get(weight) as number, gradient.dataSync() as Float32Array, this.lastPart);
  }

  private take(grads: NamedTensorMap): void {
    const { tf } = this.engine;
    const gradients = this.variables.map(({ name }) => grads[name] as Tensor);
    if (this.sum !== undefined) {
      for (let i = gradients.length - 1; i >= 0; i--)
        if (!this.sum.has(i)) this.hand(this.variables[i] as Variable, gradients[i] as Tensor);
      if (!this.lastPart) this.sum.endPart();
      tf.dispose(gradients);
    } else if (this.gradients === undefined) this.gradients = gradients;
    else {
      const before = this.gradients;
      this.gradients = gradients.map((gradient, i) => tf.add(gradient, before[i] as Tensor));
      tf.dispose([...before, ...gradients]);
    }
  }

  private async finish(
    planned: number,
    index: number,
    learningRate: number,
    keysOf: () => readonly string[],
  ): Promise<StepResult> {
    const { tf } = this.engine;
    if (this.settings.wantsToStop?.()) this.tally[3] = 1;
    const tallied = this.settings.collective.sum(this.tally);
    const sums = await this.sum?.finish();
    await tallied;
    let gradients =
      sums?.map((values, i) => tf.tensor(values, (this.variables[i] as Variable).shape)) ?? this.gradients;
    this.gradients = undefined;
    const [loss, correct, samples, stopping] = this.tally as unknown as [number, number, number, number];
    if (gradients === undefined || samples === 0)
      throw new ToolkitError("NO_SAMPLES", `step ${index + 1} has no sample`);
    const result = { loss: loss / samples, top1: correct / samples, samples, learningRate, stop: stopping > 0 };
    if (!Number.isFinite(loss)) {
      tf.dispose(gradients);
      throw overflow(result.loss, index, learningRate, keysOf());
    }
    const { norm, scaled } = await this.scale(gradients, planned / samples);
    gradients = scaled;
    this.optimizer.apply(gradients, learningRate);
    tf.dispose(gradients);
    this.network.constrain();
    this.average?.update(index + 1);
    return { ...result, gradientNorm: norm };
  }

  /**
   * Scales gradients: of a step with damaged samples left out they are those of the rest; and they are clipped where
   * asked.
   */
  private async scale(
    gradients: Tensor[],
    share: number,
  ): Promise<{ readonly norm: number | undefined; readonly scaled: Tensor[] }> {
    const { tf } = this.engine;
    const { clipNorm } = this.settings.recipe;
    let factor = share;
    let norm: number | undefined;
    if (clipNorm !== undefined) {
      const squares = tf.tidy(() => tf.addN(gradients.map((gradient) => tf.sum(tf.square(gradient)) as Scalar)));
      norm = share * Math.sqrt((await squares.data())[0] as number);
      squares.dispose();
      if (norm > clipNorm) factor *= clipNorm / norm;
    }
    if (factor === 1) return { norm, scaled: gradients };
    const scaled = gradients.map((gradient) => tf.mul(gradient, factor));
    tf.dispose(gradients);
    return { norm, scaled };
  }

  dispose(): void {
    this.optimizer.dispose();
    this.average?.dispose();
    this.engine.tf.dispose(this.gradients ?? []);
  }
}

/** Number of keys that help to find the cause of an error. */
const shownKeys = 8;

function overflow(loss: number, index: number, rate: number, keys: readonly string[]): ToolkitError {
  const more = keys.length > shownKeys ? ` and ${keys.length - shownKeys} more` : "";
  return new ToolkitError(
    "NUMERIC_OVERFLOW",
    `the loss is ${loss} at step ${index + 1}, with learning rate ${rate}; the batch's samples: ${keys.slice(0, shownKeys).join(", ")}${more}. ` +
      "Lower the learning rate (`learningRate`), warm up for longer (`warmupEpochs`) or clip gradients (`clipNorm`); the last checkpoint stays",
  );
}
