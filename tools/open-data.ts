// A data set as commands open it: what is not one is indexed first, with progress on stderr.
import { manifestOf } from "../src/pipeline/manifest-of.js";
import type { LoadedManifest } from "../src/shards/manifest.js";
import type { CommandContext } from "./command.js";
import { withProgress } from "./progress.js";

/** `cache`: the disk cache's options, in whose folder an index is kept. See manifestOf. */
export async function openData(
  place: string,
  cache: { readonly folder: string } | undefined,
  context: CommandContext,
): Promise<LoadedManifest> {
  return withProgress(context, "index", (progress) =>
    manifestOf(place, {
      cacheFolder: cache?.folder,
      signal: context.signal,
      onWarning: (warning) => context.log(`warning: ${warning.describe()}`),
      onProgress: ({ bytesRead, totalBytes, samples, failed }) =>
        progress.update(bytesRead, totalBytes, `${samples} samples, ${failed} failed`),
    }),
  );
}
