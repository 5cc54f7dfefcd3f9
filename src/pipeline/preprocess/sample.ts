// A sample on its way from its source to the decoder.

export interface RawSample {
  readonly key: string;
  /** With the dot, as in the source. */
  readonly extension: string;
  /** In a buffer of its own, so that it can be moved to a worker. */
  readonly image: Uint8Array<ArrayBuffer>;
  readonly label: LabelResult;
  readonly json: string | undefined;
}

/** A label, or why there is none; `name` and `synset` where the source says them. */
export type LabelResult =
  | { readonly index: number; readonly name?: string | undefined; readonly synset?: string | undefined }
  | { readonly problem: "MISSING_LABEL" | "BAD_LABEL"; readonly message: string };

/** Something a source held that cannot become a sample; reported, never dropped silently. */
export interface SourceProblem {
  readonly problem: "MISSING_IMAGE" | "ENTRY_TOO_LARGE" | "EMPTY_TAR";
  readonly key: string;
  readonly message: string;
}

export function isSample(item: RawSample | SourceProblem): item is RawSample {
  return "image" in item;
}
