// How many requests of a store are under way at once: up to a limit that falls when the service reports that we ask too
// much, and grows back.

/** The factor of a refusal, and the step of a success. */
const decrease = 0.7;
const increase = 0.5;
const leastActive = 2;

export class RequestGate {
  private limit: number;
  private active = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly maxActive = 256) {
    this.limit = maxActive;
  }

  /** Runs `request`, from its start to the end of its body, when there is room. Those who wait go in their order. */
  async run<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.enter(signal);
    try {
      const result = await request();
      this.limit = Math.min(this.maxActive, this.limit + increase);
      return result;
    } finally {
      this.active--;
      this.admit();
    }
  }

  /** The service refused a request because of load. */
  throttled(): void {
    this.limit = Math.max(Math.min(leastActive, this.maxActive), this.limit * decrease);
  }

  private async enter(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.active < Math.floor(this.limit)) {
      this.active++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.queue.splice(this.queue.indexOf(admitted), 1);
        reject(signal?.reason);
      };
      const admitted = () => {
        signal?.removeEventListener("abort", leave);
        resolve();
      };
      this.queue.push(admitted);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  private admit(): void {
    while (this.queue.length > 0 && this.active < Math.floor(this.limit)) {
      this.active++;
      this.queue.shift()?.();
    }
  }
}
