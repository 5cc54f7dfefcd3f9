// The stages of a loader: storage (where shards are not read by the view threads themselves), views, collate, and the
// consumer of the batches.
import { PipelineClock, type PipelineCounters, type Recorder, type StageClock, type Work } from "../stage-clock.js";

export interface LoadClockOptions {
  /** View threads. */
  readonly threads: number;
  readonly readsStorage: boolean;
  /** What the stage that uses batches is called. */
  readonly consumer: string;
  readonly recorder?: Recorder | undefined;
  readonly now?: (() => number) | undefined;
}

/** What a view thread reports of a task. */
export interface ViewWork extends Work {
  /** Milliseconds of it, by what they were spent on. */
  readonly parts: Readonly<Record<string, number>>;
}

export class LoadClock {
  /** Reads, of what is not read by the view threads themselves. */
  readonly storage: StageClock | undefined;
  readonly collate: StageClock;
  private readonly clock: PipelineClock;
  private readonly views: StageClock;
  private readonly consumer: StageClock;
  /**
   * Somebody waits for a batch; the next batch's data is waited for: without either, whatever may be made ahead is made
   * or being made.
   */
  private asked = false;
  private wantsData = false;
  private ready = 0;
  /** Whether the consumer works, and since when it does, or waits. */
  private works = false;
  private since = 0;

  constructor(private readonly options: LoadClockOptions) {
    const { threads, readsStorage, consumer, recorder, now } = options;
    this.clock = new PipelineClock(recorder, now);
    if (readsStorage) this.storage = this.clock.stage("storage", 1);
    this.views = this.clock.stage("views", threads);
    this.collate = this.clock.stage("collate", 1);
    this.collate.starves(true);
    this.consumer = this.clock.stage(consumer, 1);
  }

  get counters(): PipelineCounters {
    return this.clock.counters;
  }

  taskSent(): void {
    this.views.sent();
  }

  taskEnded(work: ViewWork | undefined, samples: number, bytes: number): void {
    this.views.returned(work, samples, bytes);
    for (const [part, ms] of Object.entries(work?.parts ?? {})) this.views.spent(part, ms);
  }

  /** Whether the data of the next batch is waited for. */
  waitsForData(waiting: boolean): void {
    this.wantsData = waiting;
    this.views.starves(this.asked || this.wantsData);
  }

  batchReady(): void {
    this.consumer.queued(++this.ready);
  }

  batchAsked(): void {
    const now = this.clock.now();
    this.endWork(now);
    this.since = now;
    this.setAsked(true);
  }

  batchGiven(samples: number, bytes: number): void {
    const now = this.clock.now();
    this.clock.begin();
    this.consumer.queued(--this.ready);
    this.consumer.passed(samples, bytes);
    this.options.recorder?.span(this.options.consumer, "wait", 0, this.since, now);
    this.setAsked(false);
    this.beginWork(now);
  }

  /** The consumer does something else than use batches, until it is let go. */
  hold(on: boolean): void {
    const now = this.clock.now();
    if (on) this.endWork(now);
    else if (!this.asked) this.beginWork(now);
  }

  /** Nobody asks any more; batches that are ready are dropped. */
  ended(): void {
    this.endWork(this.clock.now());
    this.setAsked(false);
    this.ready = 0;
    this.consumer.queued(0);
  }

  private beginWork(now: number): void {
    if (this.works) return;
    this.works = true;
    this.since = now;
    this.consumer.runs(now);
  }

  private endWork(now: number): void {
    if (!this.works) return;
    this.works = false;
    this.consumer.runs(undefined);
    this.consumer.worked({ thread: 0, began: this.since, ended: now });
  }

  private setAsked(asked: boolean): void {
    this.asked = asked;
    this.consumer.starves(asked);
    this.views.starves(this.asked || this.wantsData);
  }
}
