// Which stage holds all of it up, in a sentence.
import type { Cores, Stage } from "./stage.js";

export const percent = (share: number) => `${Math.round(100 * share)} %`;

export const rate = (value: number) =>
  value < 100 ? String(Math.round(10 * value) / 10) : Math.round(value).toLocaleString("en");

/** The share of busy time from which on a stage has no time left. */
const saturated = 0.9;
/** A share of waiting that is worth a word. */
const noticeable = 0.05;

const pronounced: Readonly<Record<string, string>> = { views: "the view threads", decode: "the decoding threads" };

/** The share of the cores that other programs take, where it is worth a word. */
const strangersOf = ({ busy, own }: Cores): number => (busy - own > 0.2 ? busy - own : 0);

/** The share of the time in which its threads work and have no core. */
const withoutCore = ({ busy, onCore }: Stage): number => (onCore > 0 ? busy - onCore : 0);

/**
 * The stage that the others wait for most. Where other programs take the cores and no stage is busy all the time, a
 * stage is as busy as it would be with a core of its own: the time its threads wait for a core does not show how it
 * compares with stages that need none.
 */
export function busiest(stages: readonly Stage[], cores: Cores): Stage {
  const most = (share: (stage: Stage) => number) =>
    stages.reduce((top, stage) => (share(stage) > share(top) ? stage : top));
  const top = most(({ busy }) => busy);
  return top.busy >= saturated || strangersOf(cores) === 0 ? top : most((stage) => stage.busy - withoutCore(stage));
}

/** The stage's name; or "cores", where none is busy all the time but this process keeps the cores so. */
export function bottleneckOf(stages: readonly Stage[], cores: Cores): string {
  const top = busiest(stages, cores);
  return top.busy < saturated && cores.own >= saturated ? "cores" : top.name;
}

const idle = ({ name, busy }: Stage) => `${name} is idle ${percent(1 - busy)}`;

/** "the view threads are saturated (2 of 2 busy 97 %), storage is idle 71 %". */
function describeStages(stages: readonly Stage[], cores: Cores): string {
  const top = busiest(stages, cores);
  const who = pronounced[top.name];
  const how = top.busy >= saturated ? "saturated" : "the busiest";
  const told =
    who === undefined
      ? `${top.name} is ${how} (busy ${percent(top.busy)})`
      : `${who} are ${how} (${top.threads} of ${top.threads} busy ${percent(top.busy)})`;
  return [told, ...stages.filter((stage) => stage !== top).map(idle), ...describeCores(stages, cores)].join(", ");
}

function describeCores(stages: readonly Stage[], cores: Cores): string[] {
  const { count, busy } = cores;
  const all = busy >= saturated ? [`${count} of ${count} cores are busy ${percent(busy)}`] : [];
  const strangers = strangersOf(cores);
  if (strangers === 0) return all;
  const held = stages.filter((stage) => withoutCore(stage) > noticeable);
  const waits = held.map((stage) => `${stage.name} waits for one ${percent(withoutCore(stage))} of the time`);
  return [...all, `other programs take ${percent(strangers)} of the cores`, ...waits];
}

/** The verdict on a pipeline that ends in nothing slow: "views bound: 11,972 images/s; ...". */
export function verdictOf(stages: readonly Stage[], cores: Cores, imagesPerSecond: number): string {
  return `${bottleneckOf(stages, cores)} bound: ${rate(imagesPerSecond)} images/s; ${describeStages(stages, cores)}`;
}

/** The verdict on a training run: `feeding` are the stages before its steps. */
export function trainingVerdict(
  step: Stage,
  feeding: readonly Stage[],
  cores: Cores,
  { imagesPerSecond, fasterInput }: { readonly imagesPerSecond: number; readonly fasterInput: number },
): { readonly bottleneck: string; readonly verdict: string } {
  const gain = `input without any wait would win ${percent(fasterInput)} at most`;
  const running = 1 - step.waitForOutput;
  const waits = running > 0 ? step.waitForInput / running : 0;
  const held =
    step.waitForOutput > noticeable
      ? `, ${percent(step.waitForOutput)} of the time goes to validation and checkpoints`
      : "";
  const bound = waits > noticeable ? "input" : "device";
  const others =
    bound === "input"
      ? describeStages(feeding, cores)
      : [...feeding.map(idle), ...describeCores([...feeding, step], cores)].join(", ");
  return {
    bottleneck: bound === "input" ? bottleneckOf(feeding, cores) : step.name,
    verdict: `${bound} bound: ${rate(imagesPerSecond)} images/s, steps wait ${percent(waits)} of the time for data${held}; ${others}; ${gain}`,
  };
}
