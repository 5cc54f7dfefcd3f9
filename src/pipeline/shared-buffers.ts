// Shared memory that is used again. A shared buffer is freed only when every thread that saw it has collected its
// garbage, which threads with little garbage of their own hardly do: left to itself, a loader's memory grows to several
// times what it uses.

export class SharedBuffers {
  private readonly free: SharedArrayBuffer[] = [];

  /** A buffer of at least that many bytes, the smallest there is; its contents are whatever it held before. */
  take(byteLength: number): SharedArrayBuffer {
    let best = -1;
    for (const [i, { byteLength: size }] of this.free.entries())
      if (size >= byteLength && (best < 0 || size < (this.free[best] as SharedArrayBuffer).byteLength)) best = i;
    return this.free.splice(best, best < 0 ? 0 : 1)[0] ?? new SharedArrayBuffer(byteLength);
  }

  /** Keeps a buffer for the next `take`: nobody may look at it any more. */
  giveBack(buffer: SharedArrayBuffer): void {
    this.free.push(buffer);
  }
}
