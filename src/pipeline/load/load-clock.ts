// Where a loader's time goes, counted always: a few additions per task and batch. The view threads say how long they worked; that they did not
// is laid to what they had to wait for.

/** Sums since the first batch was asked for; times in milliseconds. Those of two moments can be subtracted. */
export interface LoadCounters {
  readonly elapsedMs: number;
  readonly batches: number;
  readonly samples: number;
  /** What the consumer waited for batches. */
  readonly consumerWaitMs: number;
  /** Work of all view threads together, and the part of it while a batch was waited for. */
  readonly viewMs: number;
  readonly viewMsWhileAsked: number;
  /** With at least one read under way, of data that is not read by the view threads themselves: from services and caches. */
  readonly readMs: number;
  readonly readBytes: number;
  /** Putting batches together, on the calling thread. */
  readonly collateMs: number;
}

/** How the view threads spent their time; the three add up to their number times the time that passed. */
export interface ViewTime {
  readonly busyMs: number;
  /** While somebody waited for a batch: there was nothing to work on. */
  readonly waitForInputMs: number;
  /** While nobody did: all batches that may be made ahead were made. */
  readonly waitForOutputMs: number;
}

const names = [
  "elapsedMs",
  "batches",
  "samples",
  "consumerWaitMs",
  "viewMs",
  "viewMsWhileAsked",
  "readMs",
  "readBytes",
  "collateMs",
] as const satisfies readonly (keyof LoadCounters)[];

/** What came between two moments. */
export function loadBetween(before: LoadCounters, after: LoadCounters): LoadCounters {
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as unknown as LoadCounters; // all of its fields
}

export function viewTime(
  { elapsedMs, consumerWaitMs, viewMs, viewMsWhileAsked }: LoadCounters,
  threads: number,
): ViewTime {
  const busyMs = Math.min(viewMs, threads * elapsedMs);
  // Tasks on their way to a thread look active from outside: the threads' own word bounds what they did while a batch was waited for.
  const unasked = threads * (elapsedMs - consumerWaitMs) - (busyMs - Math.min(viewMsWhileAsked, busyMs));
  const idle = threads * elapsedMs - busyMs;
  const waitForOutputMs = Math.min(idle, Math.max(0, unasked));
  return { busyMs, waitForInputMs: idle - waitForOutputMs, waitForOutputMs };
}

export class LoadClock {
  private begun: number | undefined;
  private last = 0;
  private asked = false;
  private activeTasks = 0;
  private activeReads = 0;
  private readonly sums = Object.fromEntries(names.map((name) => [name, 0])) as Record<(typeof names)[number], number>;

  constructor(
    private readonly threads: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  taskBegan(): void {
    this.tick();
    this.activeTasks++;
  }

  taskEnded(busyMs: number): void {
    this.tick();
    this.activeTasks--;
    this.sums.viewMs += busyMs;
  }

  readBegan(): void {
    this.tick();
    this.activeReads++;
  }

  readEnded(bytes: number): void {
    this.tick();
    this.activeReads--;
    this.sums.readBytes += bytes;
  }

  batchAsked(): void {
    this.begun ??= this.now();
    this.tick();
    this.asked = true;
  }

  batchGiven(samples: number): void {
    this.tick();
    this.asked = false;
    this.sums.batches++;
    this.sums.samples += samples;
  }

  /** Nobody asks any more. */
  ended(): void {
    this.tick();
    this.asked = false;
  }

  collated(ms: number): void {
    this.sums.collateMs += ms;
  }

  get counters(): LoadCounters {
    this.tick();
    return { ...this.sums };
  }

  private tick(): void {
    const now = this.now();
    if (this.begun !== undefined) {
      const passed = now - Math.max(this.last, this.begun);
      this.sums.elapsedMs += passed;
      if (this.asked) {
        this.sums.consumerWaitMs += passed;
        this.sums.viewMsWhileAsked += passed * Math.min(this.threads, this.activeTasks);
      }
      if (this.activeReads > 0) this.sums.readMs += passed;
    }
    this.last = now;
  }
}
