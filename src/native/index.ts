// The addon with names and types. Its calls are synchronous: meant for workers.
export * from "./batch.js";
export { type Codec, codecs, isCodec, plainCodec } from "./codec-names.js";
export * from "./jpeg.js";
export { expandPacked, packCoefficients, rowsPerFrame, unpackCoefficients } from "./packed.js";
export * from "./seek.js";
export type * from "./shapes.js";
export * from "./system.js";
export { renderForm, renderView, unchangedColor } from "./view.js";
