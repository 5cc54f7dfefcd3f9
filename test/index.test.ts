import assert from "node:assert/strict";
import { test } from "node:test";
import * as dctstream from "../src/index.js";

test("the public surface is this and nothing else", () => {
  assert.deepEqual(Object.keys(dctstream).sort(), [
    "EpochPlan",
    "Loader",
    "ToolkitError",
    "buildNetwork",
    "closeStorage",
    "configureStorage",
    "encodeJpeg",
    "errorCodes",
    "evaluateModel",
    "exportImages",
    "findNetwork",
    "findSample",
    "inspect",
    "layersOf",
    "loadBatches",
    "loadCheckpoint",
    "networks",
    "openDataset",
    "openEngine",
    "planEpoch",
    "planView",
    "preprocess",
    "readCheckpointInfo",
    "readJpeg",
    "readManifest",
    "readShard",
    "readShardFile",
    "rebuildJpeg",
    "renderView",
    "repeatsForWeights",
    "selectSamples",
    "storageCounters",
    "summarize",
    "train",
    "unpackCoefficients",
    "verify",
  ]);
});
