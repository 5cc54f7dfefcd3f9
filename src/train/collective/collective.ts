// The processes of one training run: who takes part, and sums over all of them. One alone is the usual case.

/** The ranks of a training run, and what they compute together. */
export interface Collective {
  /** This process among all, and how many there are. */
  readonly rank: number;
  readonly size: number;
  /** How many of them run on this machine, and this one's rank among those. */
  readonly localRank: number;
  readonly localSize: number;
  /**
   * Replaces the values by their sum over all ranks; they may not be touched until then. Every rank makes the same
   * calls in the same order, and they are done in that order, beside whatever this thread does.
   */
  sum(values: Float32Array): Promise<void>;
  /** Sums as `sum` does, but at once: this thread waits. */
  sumNow(values: Float32Array): void;
  /** What rank 0 gives, to all; the others' argument is not looked at. */
  share<T>(value: T): Promise<T>;
  shareBytes(bytes: Uint8Array | undefined): Promise<Uint8Array | undefined>;
  /** Leaves in good order; every rank must. */
  close(): Promise<void>;
  /** Ends all ranks at once, this process with them: after an error the others would wait for ever. */
  abort(): void;
}

/** A run of one process. */
export const alone: Collective = {
  rank: 0,
  size: 1,
  localRank: 0,
  localSize: 1,
  sum: async () => {},
  sumNow: () => {},
  share: async (value) => value,
  shareBytes: async (bytes) => bytes,
  close: async () => {},
  abort: () => {},
};
