// Work that nobody waits for one by one: at most N pieces under way, the first failure kept for the next call.

export class InFlight {
  private readonly running = new Set<Promise<void>>();
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly limit: number) {}

  /** Takes `work` over; resolves when fewer than the limit are under way. Throws the first failure of any so far. */
  async add(work: Promise<unknown>): Promise<void> {
    const running: Promise<void> = work.then(
      () => {
        this.running.delete(running);
      },
      (error: unknown) => {
        this.running.delete(running);
        this.failure ??= { error };
      },
    );
    this.running.add(running);
    if (this.running.size >= this.limit) await Promise.race(this.running);
    this.throwFailure();
  }

  /** Resolves when nothing is under way any more. Throws the first failure. */
  async finish(): Promise<void> {
    await this.settle();
    this.throwFailure();
  }

  /** Resolves when nothing is under way any more, whatever has failed. */
  async settle(): Promise<void> {
    await Promise.all(this.running);
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure.error;
  }
}
