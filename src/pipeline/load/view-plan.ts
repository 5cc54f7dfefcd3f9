// Which part of its image each sample shows: a function of the seed, the epoch, the sample and the pass, so that
// whoever reads ahead and whoever renders find the same.
import type { ViewAxis } from "../../native/index.js";
import { type Random, randomFamily } from "../../shards/random.js";
import { planView, type ViewOptions } from "./view.js";

/** A place in an epoch's order, and the size of its image. */
export interface ViewedSample {
  readonly epoch: number;
  readonly source: number;
  readonly sample: number;
  readonly pass: number;
  readonly width: number;
  readonly height: number;
}

interface PlannedView {
  readonly x: ViewAxis;
  readonly y: ViewAxis;
  /** The sample's random numbers, of which those for its place are drawn. */
  readonly random: Random;
}

export class ViewPlan {
  private readonly trains: boolean;
  private readonly fixed: Random;
  /** The epoch's streams, by source. */
  private readonly families: ((sample: number, pass: number) => Random)[] = [];
  private epoch: number | undefined;

  constructor(
    private readonly view: ViewOptions,
    private readonly seed: number,
  ) {
    this.trains = view.augment === "train";
    this.fixed = randomFamily(seed, "view")(0);
  }

  of({ epoch, source, sample, pass, width, height }: ViewedSample): PlannedView {
    const random = this.trains ? this.family(epoch, source)(sample, pass) : this.fixed;
    return { ...planView(width, height, this.view, random), random };
  }

  private family(epoch: number, source: number): (sample: number, pass: number) => Random {
    if (this.epoch !== epoch) this.families.length = 0;
    this.epoch = epoch;
    this.families[source] ??= randomFamily(this.seed, "view", epoch, source);
    return this.families[source];
  }
}
