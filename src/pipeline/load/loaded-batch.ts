// What a loader gives: views of samples, their labels, and the state that resumes after them.
import type { NamedArray } from "./slot.js";
import type { LoaderState } from "./state.js";

/** A batch in shared memory. Its arrays are overwritten some time after `release`. */
export interface LoadedBatch {
  readonly epoch: number;
  readonly step: number;
  /** The inputs, in the order of a network's: y, cb and cr, or pixels. Rows beyond `samples` are padding. */
  readonly arrays: readonly NamedArray[];
  /** Labels [rows]: numbers of the loader's `classes`; -1 where `mask` is 0. */
  readonly labels: Int32Array;
  /** Mask [rows]: 1 for a sample, 0 for padding. */
  readonly mask: Float32Array;
  /** The second label of every row and the share of the first, with mixup or CutMix. */
  readonly mixed: { readonly labels: Int32Array; readonly shares: Float32Array } | undefined;
  /** How many of the batch's rows are samples or stand for one; all but in the last step of an epoch. */
  readonly samples: number;
  /** Which source each row's sample is from, and its number there, in the manifest's order. */
  readonly sources: Uint16Array;
  readonly sampleNumbers: Uint32Array;
  /** The keys of the samples. */
  readonly keys: readonly string[];
  /** The state from which a loader resumes after this batch. */
  readonly state: LoaderState;
  /** The memory may be used again. Calling it again does nothing. */
  release(): void;
}
