// A profile of a pipeline, with what it was made from.
import type { Measured } from "./measure.js";
import type { Station } from "./model.js";
import type { Recording } from "./recording.js";
import type { Profile } from "./stage.js";
import { bottleneckOf, verdictOf } from "./verdict.js";

export interface Profiled {
  readonly profile: Profile;
  readonly recording: Recording;
  /** What predictions start from. */
  readonly station: Station;
}

/** What is known of a pipeline besides its stages. */
export type ProfileFacts = Pick<Profile, "what" | "limits" | "recommendations"> &
  Partial<Pick<Profile, "bottleneck" | "verdict" | "headroom">>;

export function profiledFrom(
  measured: Measured,
  station: Station,
  recording: Recording,
  facts: ProfileFacts,
): Profiled {
  const { imagesPerSecond, stages, cores } = station;
  const profile: Profile = {
    imagesPerSecond,
    seconds: measured.counters.elapsedMs / 1000,
    stages,
    bottleneck: bottleneckOf(stages, cores),
    verdict: verdictOf(stages, cores, imagesPerSecond),
    cores,
    headroom: undefined,
    percentiles: recording.percentiles(),
    ...facts,
  };
  return { profile, recording, station };
}
