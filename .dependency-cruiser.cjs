// Imports point one way: errors < options < native < storage < shards < pipeline < train < tools.
const layers = ["^src/(errors|error-codes|system-errors|version|in-flight|map-ordered|printable|public-url)\\.ts$", "^src/options/", "^src/native/", "^src/storage/", "^src/shards/", "^src/pipeline/", "^src/train/", "^tools/"];

// Within storage: each room imports those before it, and store.ts and what builds on it all of them.
const storageRooms = ["^src/storage/(object-store|url|counters)\\.ts$", "^src/storage/remote/", "^src/storage/http/", "^src/storage/s3/"];

const upward = layers.slice(0, -1).map((layer, i) => ({
  name: `layer-${i}-imports-upward`,
  severity: "error",
  from: { path: layer },
  to: { path: layers.slice(i + 1).join("|") },
}));

const upwardInStorage = storageRooms.slice(0, -1).map((room, i) => ({
  name: `storage-room-${i}-imports-upward`,
  severity: "error",
  from: { path: room },
  to: { path: "^src/storage/", pathNot: storageRooms.slice(0, i + 1).join("|") },
}));

module.exports = {
  forbidden: [
    ...upward,
    ...upwardInStorage,
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "preprocess-knows-no-load", severity: "error", from: { path: "^src/pipeline/preprocess/" }, to: { path: "^src/pipeline/load/" } },
    { name: "load-knows-no-preprocess", severity: "error", from: { path: "^src/pipeline/load/" }, to: { path: "^src/pipeline/preprocess/" } },
    { name: "only-train-knows-tensorflow", severity: "error", from: { path: "^(src|tools)/", pathNot: "^src/train/" }, to: { path: "@tensorflow" } },
    { name: "no-test-code-in-the-product", severity: "error", from: { path: "^(src|tools)/" }, to: { path: "^(test|bench)/" } },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
  },
};
