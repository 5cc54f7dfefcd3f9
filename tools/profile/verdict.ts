// Which stage holds all of it up, in a sentence.
import type { Cores, Stage } from "./stage.js";

export const percent = (share: number) => `${Math.round(100 * share)} %`;

export const rate = (value: number) =>
  value < 100 ? String(Math.round(10 * value) / 10) : Math.round(value).toLocaleString("en");

/** From here on a stage has no time left. */
const saturated = 0.9;
/** A share of waiting that is worth a word. */
const noticeable = 0.05;

const pronounced: Readonly<Record<string, string>> = { views: "the view threads", decode: "the decoding threads" };

export function busiest(stages: readonly Stage[]): Stage {
  return stages.reduce((most, stage) => (stage.busy > most.busy ? stage : most));
}

/** The stage's name; or "cores", where none is busy all the time but this process keeps the cores so. */
export function bottleneckOf(stages: readonly Stage[], cores: Cores): string {
  const top = busiest(stages);
  return top.busy < saturated && cores.own >= saturated ? "cores" : top.name;
}

const idle = ({ name, busy }: Stage) => `${name} is idle ${percent(1 - busy)}`;

/** "the view threads are saturated (2 of 2 busy 97 %), storage is idle 71 %". */
function describeStages(stages: readonly Stage[], cores: Cores): string {
  const top = busiest(stages);
  const who = pronounced[top.name];
  const how = top.busy >= saturated ? "saturated" : "the busiest";
  const told =
    who === undefined
      ? `${top.name} is ${how} (busy ${percent(top.busy)})`
      : `${who} are ${how} (${top.threads} of ${top.threads} busy ${percent(top.busy)})`;
  return [told, ...stages.filter((stage) => stage !== top).map(idle), ...describeCores(cores)].join(", ");
}

function describeCores({ count, own, busy }: Cores): string[] {
  const all = busy >= saturated ? [`${count} of ${count} cores are busy ${percent(busy)}`] : [];
  const strangers = busy - own > 0.2 ? [`other programs take ${percent(busy - own)} of the cores`] : [];
  return [...all, ...strangers];
}

/** Of a pipeline that ends in nothing slow: "views bound: 11,972 images/s; ...". */
export function verdictOf(stages: readonly Stage[], cores: Cores, imagesPerSecond: number): string {
  return `${bottleneckOf(stages, cores)} bound: ${rate(imagesPerSecond)} images/s; ${describeStages(stages, cores)}`;
}

/** Of a training run: `feeding` are the stages before its steps. */
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
    bound === "input" ? describeStages(feeding, cores) : [...feeding.map(idle), ...describeCores(cores)].join(", ");
  return {
    bottleneck: bound === "input" ? bottleneckOf(feeding, cores) : step.name,
    verdict: `${bound} bound: ${rate(imagesPerSecond)} images/s, steps wait ${percent(waits)} of the time for data${held}; ${others}; ${gain}`,
  };
}
