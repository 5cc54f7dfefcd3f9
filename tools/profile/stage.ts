// What a profile says of one stage of a pipeline, and which stage holds all of them up.

export interface Stage {
  readonly name: string;
  /** Threads that do it; 1 for what the calling thread does, or waits for. */
  readonly threads: number;
  /** What it could do with nothing before and after it in the way, from its busy share; undefined where that says nothing. */
  readonly imagesPerSecondAlone: number | undefined;
  /** Shares of the time of all its threads; the three add up to 1. */
  readonly busy: number;
  readonly waitForInput: number;
  readonly waitForOutput: number;
  /** What passes through it. */
  readonly bytesPerSecond: number;
  /** The most that this machine allows, measured in the same run, and what was measured. */
  readonly limit: { readonly imagesPerSecond: number; readonly what: string } | undefined;
}

export interface Profile {
  readonly imagesPerSecond: number;
  readonly seconds: number;
  readonly stages: readonly Stage[];
  /** The stage that is the busiest, by name. */
  readonly bottleneck: string;
  /** One sentence, with numbers. */
  readonly verdict: string;
  readonly limits: Readonly<Record<string, number>>;
}

export const percent = (share: number) => `${Math.round(100 * share)} %`;

export function busiest(stages: readonly Stage[]): Stage {
  return stages.reduce((most, stage) => (stage.busy > most.busy ? stage : most));
}

/** "views bound: 2,900 images/s; views busy 97 % (2 threads), storage idle 71 %, collate idle 99 %". */
export function verdictOf(stages: readonly Stage[], imagesPerSecond: number): string {
  const top = busiest(stages);
  const others = stages.filter((stage) => stage !== top).map(({ name, busy }) => `${name} idle ${percent(1 - busy)}`);
  const threads = top.threads > 1 ? ` (${top.threads} threads)` : "";
  const told = [`${top.name} busy ${percent(top.busy)}${threads}`, ...others].join(", ");
  return `${top.name} bound: ${Math.round(imagesPerSecond).toLocaleString("en")} images/s; ${told}`;
}
