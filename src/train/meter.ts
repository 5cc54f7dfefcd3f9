// How fast a run goes and how much of its time it waits for input. Validation and checkpoints stop the clock.

export class Meter {
  private samples = 0;
  private waitedMs = 0;
  private elapsedMs = 0;
  private mark: number | undefined;
  private begun = false;

  /** Starts or goes on. */
  go(): void {
    this.mark ??= performance.now();
  }

  pause(): void {
    this.elapsedMs = this.elapsed;
    this.mark = undefined;
  }

  /** Passes items on and counts the time until each. The first one of all has nothing to hide behind: it is start-up. */
  async *waitingFor<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    let asked = performance.now();
    for await (const item of items) {
      if (this.begun) this.waitedMs += performance.now() - asked;
      else this.restart();
      this.begun = true;
      yield item;
      asked = performance.now();
    }
  }

  count(samples: number): void {
    this.samples += samples;
  }

  get seconds(): number {
    return this.elapsed / 1000;
  }

  get imagesPerSecond(): number {
    return this.elapsed === 0 ? 0 : (1000 * this.samples) / this.elapsed;
  }

  get stallFraction(): number {
    return this.elapsed === 0 ? 0 : this.waitedMs / this.elapsed;
  }

  private get elapsed(): number {
    return this.elapsedMs + (this.mark === undefined ? 0 : performance.now() - this.mark);
  }

  private restart(): void {
    this.elapsedMs = 0;
    this.mark = performance.now();
  }
}
