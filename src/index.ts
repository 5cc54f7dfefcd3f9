// The public surface: what other programs may import. test/index.test.ts holds the list.
export { type ErrorCode, errorCodes } from "./error-codes.js";
export { ToolkitError } from "./errors.js";
export type {
  Codec,
  DecoderChoice,
  PixelScaling,
  ResizeOptions,
  SimdLevel,
  StoredImage,
  ViewAxis,
  ViewTarget,
} from "./native/index.js";
export { encodeJpeg, readJpeg, rebuildJpeg, renderView, unpackCoefficients } from "./native/index.js";
export { type ExportOptions, type ExportReport, exportImages } from "./pipeline/export.js";
export type { AugmentPolicy } from "./pipeline/load/augment.js";
export type { Frequencies } from "./pipeline/load/frequencies.js";
export { type LoadBatchesOptions, loadBatches } from "./pipeline/load/load-batches.js";
export type { LoadedBatch } from "./pipeline/load/loaded-batch.js";
export { Loader } from "./pipeline/load/loader.js";
export type { LoaderCacheOptions, LoaderOptions } from "./pipeline/load/options.js";
export type { NamedArray } from "./pipeline/load/slot.js";
export type { LoaderData, LoaderSource } from "./pipeline/load/sources.js";
export type { LoaderState } from "./pipeline/load/state.js";
export { type Normalization, planView, type ViewOptions } from "./pipeline/load/view.js";
export { type ManifestOfOptions, manifestOf } from "./pipeline/manifest-of.js";
export { type IndexOptions, indexSources } from "./pipeline/preprocess/index-sources.js";
export type { PreprocessOptions, PreprocessProgress } from "./pipeline/preprocess/options.js";
export { type PreprocessReport, preprocess } from "./pipeline/preprocess/preprocess.js";
export {
  countersBetween,
  type PipelineCounters,
  type Recorder,
  type StageCounters,
  type StageShares,
  stageShares,
} from "./pipeline/stage-clock.js";
export { type Dataset, openDataset } from "./shards/dataset.js";
export { findSample, type Inspection, inspect } from "./shards/inspect.js";
export { type LoadedManifest, readManifest } from "./shards/manifest.js";
export type { PlannedSample } from "./shards/plan/groups.js";
export type { PlanManifest, PlanSource } from "./shards/plan/spans.js";
export { EpochPlan, type PlanOptions, planEpoch, repeatsForWeights } from "./shards/plan.js";
export { readShard, readShardFile } from "./shards/reader.js";
export type { SampleRecord } from "./shards/record.js";
export type { RecordBatchView } from "./shards/record-view.js";
export { type Selection, type SelectionOptions, selectSamples } from "./shards/selection.js";
export { type VerifyOptions, type VerifyReport, verify } from "./shards/verify.js";
export { type StorageCounters, storageCounters } from "./storage/counters.js";
export type { CacheCounters } from "./storage/disk/cache.js";
export type { HttpOptions } from "./storage/http/store.js";
export type { S3Options } from "./storage/s3/client.js";
export { closeStorage, configureStorage, type StorageOptions } from "./storage/store.js";
export type { Collective } from "./train/collective/collective.js";
export { openCollective } from "./train/collective/open-collective.js";
export type { DeviceChoice, Engine, EngineName, EngineOptions, MomentumSettings } from "./train/engine/engine.js";
export type { FrozenNetwork } from "./train/engine/frozen-network.js";
export { openEngine } from "./train/engine/open-engine.js";
export { type EvaluateOptions, evaluateModel } from "./train/evaluate.js";
export { buildNetwork, findNetwork, type Network, type NetworkOptions } from "./train/networks/build.js";
export { type NetworkDefinition, networks } from "./train/networks/definitions.js";
export { foldRgbStem, type PixelNormalization } from "./train/networks/fold-stem.js";
export { layersOf, type NetworkShape } from "./train/networks/layers-of.js";
export { type LayerSummary, summarize } from "./train/networks/summary.js";
export type { RunConfig, RunStart, TrainOptions } from "./train/options.js";
export { type Guess, type Prediction, type PredictOptions, predict } from "./train/predict.js";
export { presets } from "./train/presets.js";
export type {
  CheckpointReport,
  EpochReport,
  EvaluateReport,
  Mistake,
  StepReport,
  TrainReport,
} from "./train/report.js";
export { train } from "./train/run/trainer.js";
export type { PresetName } from "./train/run-options.js";
export { loadCheckpoint, readCheckpointInfo } from "./train/saved/checkpoint.js";
